"""Virtual boards on pseudo-terminals, written from the vendors' frames and from nothing of ours."""
