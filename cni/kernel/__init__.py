"""What the kernel has and does, in our own types.

`interface.py` is the contract; `linux.py` and `sysfs.py` keep it on the running kernel, and the
former is the only module that imports pyroute2; `fake/` keeps it in memory.  Both pass
`tests/contract/`.
"""
