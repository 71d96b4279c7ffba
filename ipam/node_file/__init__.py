"""The node file: what all nodes must know of etcd and the fabrics, written once per node."""

from __future__ import annotations

from ipam.node_file.model import Etcd, Fabric, NodeFile, RailEntry
from ipam.node_file.reading import load

__all__ = ["Etcd", "Fabric", "NodeFile", "RailEntry", "load"]
