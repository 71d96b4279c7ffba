"""Manifests as they are written: YAML, with the lines of what it says.  Pure."""
