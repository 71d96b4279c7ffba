"""The registry: who owns which block, cluster-wide in etcd, or everything on a single node."""
