"""Whether rails carry long packets to a peer: `railctl doctor --mtu PEER`.

`gathering` finds the pod's rails and the peer's addresses, `probing` sends; `plan`, `sizes` and
`verdict` are pure.
"""
