"""Whether a node reaches the cluster's registry, may write it, and is the only one of its name.

`gathering` and `endpoints` look; `facts` is what they bring; `reach` and `clashes` judge, and are
pure.
"""
