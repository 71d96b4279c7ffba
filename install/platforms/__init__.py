"""Which container runtime a node has, and where it looks for CNI's plugins and networks.

`root` looks at a node's files; everything else decides by what it is shown.
"""
