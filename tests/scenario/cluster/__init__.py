"""Several nodes over one etcd: histories that end in a double address where a rule is missing."""
