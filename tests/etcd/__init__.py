"""etcd for tests: real servers of several versions, faults around any store, and their tests."""
