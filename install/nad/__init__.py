"""NetworkAttachmentDefinitions: what is wrong with one, and what it should be.

Pure: texts and a node file in, remarks and texts out; `install.railctl.nad` is the edge.
"""
