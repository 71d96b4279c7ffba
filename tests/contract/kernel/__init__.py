"""`cni.kernel.interface`, kept by the running kernel and by the fake."""
