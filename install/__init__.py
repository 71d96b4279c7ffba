"""Putting railcni on a node, and looking at what it does there."""
