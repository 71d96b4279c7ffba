"""The laboratory: a virtual machine with emulated SR-IOV devices, and tests that run in it."""
