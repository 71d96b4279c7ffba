"""Whether this process sees what the host sees: only then is an absence evidence of anything.

In a mount namespace of its own it sees none of the mounts that keep the pods' network namespaces,
and in a pid namespace of its own none of their processes.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from cni.kernel.interface import Kernel, Namespace
from cni.kernel.types import NetnsId

_PROC = Path("/proc")


def blindness(proc: Path = _PROC) -> str:
    """Return why this process does not see the host's network namespaces, empty when it does."""
    try:
        if (proc / "self").readlink() == Path("1"):
            # Nobody else starts a host's first process: this one is a container's.
            return "this process has a pid namespace of its own: it must have the host's (hostPID)"
        for kind, what in (("pid", "pid namespace"), ("mnt", "mount namespace")):
            if not (proc / "self/ns" / kind).samefile(proc / "1/ns" / kind):
                return f"this process is in another {what} than process 1, the host's first"
    except OSError as error:
        return f"this process does not see in which namespaces process 1 is: {error}"
    return ""


def present(kernel: Kernel) -> frozenset[NetnsId]:
    """Return every network namespace that is mounted or has a process.

    Raises:
        KernelError: some could not be looked at.
    """
    seen = set()

    def note(namespace: Namespace) -> bool:
        seen.add(namespace.identity)
        return False  # the next one too

    with kernel.search(note):
        return frozenset(seen)


def all_there_are(
    kernel: Kernel, blind: Callable[[], str] = blindness
) -> frozenset[tuple[int, int, int]]:
    """Return device, inode and cookie of every network namespace.

    Raises:
        OSError: some may be out of sight.
    """
    if reason := blind():
        raise PermissionError(errno.EPERM, reason)
    return frozenset((each.device, each.inode, each.cookie) for each in present(kernel))
