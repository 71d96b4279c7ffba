"""The node's files: where they are, how they are locked, how they are written."""
