"""The CNI protocol and nothing else: environment and stdin in, one JSON document out.

Nothing here knows a kernel, a device or an address pool.  A plugin is an object with five verbs
(`plugin.Plugin`); `skel.serve` turns one process invocation into one call of one verb.
"""
