"""Rendered cameras: what a gate camera would see, drawn on photographs and served as MJPEG."""
