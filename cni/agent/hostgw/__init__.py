"""The agent's part in rail-hostgw: direct paths that are proven all the time.

`path`, `measuring`, `pairing`, `peers`, `conversation`, `echo` and `table` decide, and are pure;
`probe`, `sockets`, `post`, `keeper`, `guard` and `air` act; `prover` brings them together, and
`part` is what the agent sees.  ADR 19 says why it is so, and ADR 20 of the guard.
"""
