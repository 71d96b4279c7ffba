"""What tells one bundle from another: `install/freeze/` writes it anew into each."""

BUILD = b"source"
