"""railctl over the registry of a cluster."""
