"""Who holds a lock, as the kernel tells it: one who is stopped lets everybody wait in vain."""

from __future__ import annotations

import os
from pathlib import Path

from cni.protocol.errors import CniError, Code

_PROC = Path("/proc")
_STOPPED = "T"
"""By a signal; who is traced (`t`) goes on in a moment."""


def refuse_stopped(descriptor: int, file: Path) -> None:
    """Raise when the process that holds a lock on a file is stopped.

    Where the kernel does not tell who that is (another pid namespace, some file systems), nobody
    is suspected.

    Args:
        descriptor: the file, opened.
        file: where it is.

    Raises:
        CniError: code 11, with the process and what to do about it.
    """
    pid = _holder(descriptor)
    if not pid or not _is_stopped(pid) or pid != _holder(descriptor):
        return
    raise CniError(
        Code.TRY_AGAIN,
        f"{file} is held by process {pid} ({_name(pid)}), which is stopped",
        f"let it go on: kill -CONT {pid}; or end it: kill -KILL {pid}",
    )


def _holder(descriptor: int) -> int:
    """Return the process that holds an flock on an open file, 0 when that is not known."""
    status = os.fstat(descriptor)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    try:
        lines = (_PROC / "locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next(filter(None, (_pid(line, place) for line in lines)), 0)


def _pid(line: str, place: str) -> int:
    """Return the process of a line of /proc/locks if it holds this place.

    Who waits in line has an arrow behind the number.  Who is in another pid namespace is 0 or -1,
    which no process is.
    """
    match line.split():
        case [_, "FLOCK", _, _, pid, where, *_] if where == place:
            return int(pid)
        case _:
            return 0


def _is_stopped(pid: int) -> bool:
    try:
        status = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    # The name before it may contain anything, brackets too.
    return status.rpartition(")")[2].split()[:1] == [_STOPPED]


def _name(pid: int) -> str:
    try:
        return (_PROC / str(pid) / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"
