"""How rail-hostgw gets into the network of the primary plugin, and out of it again.

Pure functions over the files of a folder such as /etc/cni/net.d; `writing` is their edge.
"""
