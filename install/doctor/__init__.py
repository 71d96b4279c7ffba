"""What is wrong with a node, why that matters, and which command mends it.

A subject has facts, which are gathered at the edge, and checks, which judge them and touch nothing.
"""
