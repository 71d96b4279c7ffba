"""What answers the CNI protocol on a node: protocol, kernel, files, and the plugins."""

__version__ = "0.1.0"
