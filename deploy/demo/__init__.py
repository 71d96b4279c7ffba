"""The main job on one machine: two pods, four rails each, through the frozen programs.

The node is a network namespace as well, so that nothing of the machine's own network is touched.
"""
