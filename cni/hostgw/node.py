"""What rail-hostgw works with on a node, behind narrow interfaces."""

from __future__ import annotations

from dataclasses import dataclass

from cni.host.locks import Locks
from cni.hostgw.kept import Notes
from cni.kernel.interface import Kernel, Sysfs


@dataclass(frozen=True, slots=True)
class Node:
    """The ports of one node; tests put fakes here."""

    kernel: Kernel
    sysfs: Sysfs
    locks: Locks
    notes: Notes
