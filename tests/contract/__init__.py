"""What an interface promises, tested on everything that keeps it."""
