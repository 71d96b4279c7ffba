"""rail-sriov: one device per rail, moved into the pod and brought home again.

`attach` and `detach` hold the order of things; what they decide by is pure: `device` (may it be
taken, is it the one), `routes` (what may be routed), `sysctl`.  `attachment` is the record that
lets any later process finish what a dead one began.
"""
