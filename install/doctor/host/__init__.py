"""Whether a node can do its part: CNI's folders, our programs, the agent, bonds, the clock.

`gathering` looks; `facts` is what it brings; `cni`, `agent` and `machine` judge, and are pure.
"""
