"""The image: the frozen bundle and nothing else, as an OCI archive (`make image`)."""
