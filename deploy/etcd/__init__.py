"""The registry of addresses: etcd with TLS, and the certificates that it takes."""
