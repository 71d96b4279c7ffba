"""etcd, the key-value store: a narrow interface, its client, and a store in memory beside it."""
