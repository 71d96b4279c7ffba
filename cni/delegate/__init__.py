"""Who gives an attachment its addresses.

A plugin of our own is called in process, any other is executed.
"""
