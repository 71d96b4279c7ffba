"""The agent's part in rail-hostgw, piece by piece."""
