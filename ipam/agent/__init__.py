"""rail-ipam in the node's agent: warm, and what it does there while no request waits."""
