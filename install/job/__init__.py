"""What a job has to know of its rails: the variables of NCCL and UCX, and who is which rank.

`status`, `annotations`, `nccl`, `variables`, `ranks` and `hostfiles` are pure; `devices` reads
sysfs and device-info files, `api` asks the API server, `delivery` writes.
"""
