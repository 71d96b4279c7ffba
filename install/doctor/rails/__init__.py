"""Whether a node's rails can carry what they are for.

`gathering` looks; `facts` is what it brings; `functions`, `ports`, `lossless`, `machine`, `pods`
and `plugin` judge, and are pure; `checks` has all of them.
"""
