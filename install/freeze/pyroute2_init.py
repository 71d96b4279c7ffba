"""What the bundle has for `pyroute2/__init__.py`.

The library's own imports every part of it, conntrack and a database of links among them, before
anyone gets to `pyroute2.iproute`: 55 of 100 ms at every ADD.
"""
