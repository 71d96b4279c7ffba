"""`make bench`: pairs timed in turn in one run, so that a drifting machine cancels out."""
