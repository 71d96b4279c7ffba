"""The calls of libc that Python does not offer before 3.12, not at all, or not in full."""

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


def getsockopt(descriptor: int, level: int, option: int, question: bytes) -> bytes:
    """Ask a socket for an option that is told more than its name; Python's own cannot.

    Args:
        descriptor: of the socket.
        level: whose option.
        option: which.
        question: what the kernel reads, as long as what it writes over it.

    Raises:
        OSError: what the kernel answered.
    """
    buffer = ctypes.create_string_buffer(question, len(question))
    size = ctypes.c_uint32(len(question))
    if _libc.getsockopt(descriptor, level, option, buffer, ctypes.byref(size)) != 0:
        raise _last_error("getsockopt")
    return buffer.raw


def _last_error(call: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{call}: {os.strerror(number)}")
