"""What the kernel has and does, in our own types.

`interface.py` is the contract; `linux.py` keeps it on the running kernel and is the only module
that imports pyroute2; `fake.py` keeps it in memory.  Both pass `tests/contract/`.
"""
