"""What this node holds of shared fabrics: its dealings with the registry, and their upkeep."""
