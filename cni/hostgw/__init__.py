"""rail-hostgw: on a node with a wireless uplink, pod traffic goes straight to proven peers.

Below it is the overlay at all times: a direct route stands in a table of our own, and what is not
there falls through to main, which is never written.  `landscape` looks; `peers`, `terrain`,
`backends` and `decision` are pure; `proving` asks, `taking` acts, `refresh` brings them together,
and `plugin` answers the runtime.
"""
