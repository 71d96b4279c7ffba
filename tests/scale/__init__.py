"""Many nodes on one machine, each with a state folder of its own, and one real etcd."""
