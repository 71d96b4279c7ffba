"""The journal: the node's own durable record of blocks and claims."""
