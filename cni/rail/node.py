"""What rail-sriov works with on a node, behind narrow interfaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cni.delegate.interface import Ipam
from cni.host.locks import Locks
from cni.kernel.interface import Kernel, Sysfs
from cni.protocol.request import Request
from cni.rail.attachment import Attachments


@dataclass(frozen=True, slots=True)
class Node:
    """The ports of one node; tests put fakes here."""

    kernel: Kernel
    sysfs: Sysfs
    attachments: Attachments
    locks: Locks
    ipam_for: Callable[[Request], Ipam | None]
    """The IPAM plugin that a request's configuration names; None when it names none."""
    stripped: Callable[[int], None] = lambda _: None
    """Is told how many routes an ADD has left out."""
    outages: Callable[[str], Sequence[str]] = lambda _: ()
    """Tells why a rail, by its name, carries nothing; who does not watch rails knows of none."""
    is_wanted: Callable[[], bool] = lambda: True
    """Tells whether the runtime still waits for its ADD: else it is undone, not finished."""
