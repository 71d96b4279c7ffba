"""What answers the CNI protocol on a node: protocol, kernel, host files, and the plugins themselves."""

__version__ = "0.1.0"
