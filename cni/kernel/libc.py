"""The two calls of libc that Python does not offer before 3.12, or at all."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x0002_0000
MS_REC = 0x4000
MS_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_char_p,
    ctypes.c_ulong,
    ctypes.c_void_p,
)


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own.

    Raises:
        OSError: what the kernel answered.
    """
    if _libc.unshare(flags) != 0:
        raise _last_error("unshare")


def mount(source: str, target: str, kind: str, flags: int) -> None:
    """Attach a file system, or change how one propagates.

    Raises:
        OSError: what the kernel answered.
    """
    if _libc.mount(source.encode(), target.encode(), kind.encode(), flags, None) != 0:
        raise _last_error(f"mount {target}")


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
