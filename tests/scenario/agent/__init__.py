"""The agent beside the plugins, on whole nodes."""
