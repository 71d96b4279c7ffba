"""In which forms a job's files are written, and where a pod has what they are made of.

Loaded with every railctl: imports nothing that takes time.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

ANNOTATIONS = Path("/etc/podinfo/annotations")
"""A pod's annotations; the volume of the downward API may be anywhere."""
DEVICE_INFO = Path("/var/run/k8s.cni.cncf.io/devinfo")
"""Device-info files, in the folders `cni` and `dp`; a pod has it where the node's is mounted."""
SYSFS = Path("/sys")
SECRETS = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The service account's token, its namespace, and the API server's authority."""


class VariableForm(StrEnum):
    """How variables are written."""

    SHELL = "shell"
    """`export NAME=VALUE`, to be sourced."""
    ENV = "env"
    """`NAME=VALUE`, where the value is the rest of the line and nothing is quoted."""


class HostForm(StrEnum):
    """Who reads a hostfile."""

    MPI = "mpi"
    DEEPSPEED = "deepspeed"
    TORCHRUN = "torchrun"
