"""What every store of `ipam.etcd.interface.Etcd` does, the one in memory and real ones."""
