"""rail-hostgw on a node of the running kernel, and on one in memory."""
