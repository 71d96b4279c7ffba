"""Addresses: which slot of a fabric a pod holds, decided on the node and kept in its journal."""
