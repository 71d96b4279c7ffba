"""State in, request, state out: the plugins on whole nodes."""
