"""rail-install: puts the bundle and its configuration on a node, keeps it there, takes it away.

What is to be done is told from facts (`plan`), by pure functions; gathering them and carrying the
steps out are its edge.  Every step may be killed, and is then done by the next run.
"""
