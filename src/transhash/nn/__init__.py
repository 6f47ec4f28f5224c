"""The networks: a plain vision transformer and the dual-stream hashing network on top of it (needs torch)."""
