"""Virtual boards, cameras, people and gateways, each a process of its own; and the demo site."""
