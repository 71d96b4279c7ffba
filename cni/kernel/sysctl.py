"""Files below `/proc/sys/net/`, which show the network namespace of the thread that opens them."""

from __future__ import annotations

import errno
from pathlib import Path

from cni.kernel.libc import CLONE_NEWNS, MS_PRIVATE, MS_REC, mount, unshare

_ROOT = Path("/proc/sys/net")


def read(key: str) -> str | None:
    """Return a value, None where the kernel has no such file (`sysctl net/KEY`).

    Raises:
        OSError: EINVAL when the key leads out of `/proc/sys/net/`.
    """
    try:
        return _file(key).read_text(encoding="ascii").rstrip("\n")
    except FileNotFoundError:
        return None


def write(key: str, value: str) -> None:
    """Write a value (`sysctl -w net/KEY=VALUE`).

    Where `/proc/sys` is read-only, as in an unprivileged container, the calling thread leaves its
    mount namespace for good, for a private one with a fresh proc: call it in a thread to spare.

    Raises:
        OSError: ENOENT where the kernel has no such file, EINVAL for a bad key or value.
    """
    file = _file(key)
    try:
        _write(file, value)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        _mount_private_proc()
        _write(file, value)


def _file(key: str) -> Path:
    parts = key.split("/")
    if not {"", ".", ".."}.isdisjoint(parts):
        raise OSError(errno.EINVAL, "the key leads out of /proc/sys/net")
    return _ROOT.joinpath(*parts)


def _write(file: Path, value: str) -> None:
    # Neither created nor truncated, and in one write(2), as procfs wants it.
    with file.open("r+b", buffering=0) as stream:
        stream.write(value.encode("ascii"))


def _mount_private_proc() -> None:
    unshare(CLONE_NEWNS)
    # Without this the mount below would propagate to the host.
    mount("", "/", "", MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", 0)
