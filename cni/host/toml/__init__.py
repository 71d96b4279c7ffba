"""Files in TOML that root writes for us, and where in one an error is."""
