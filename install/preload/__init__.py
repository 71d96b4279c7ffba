"""Images onto a node that has no registry, and what would make it ask for one.

`members`, `runtime` and `placing` touch files and containerd; the rest decides.
"""
