"""rail-agent: the plugins warm, and what nobody calls a plugin for.

It serves the same functions as the plugins' own processes do, on the same files.  So it may be
missing, hung or killed at any time: then each plugin does its work by itself.
"""
