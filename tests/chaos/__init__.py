"""Nodes and etcd servers that are killed, frozen, cloned and restored, and what then is true."""
