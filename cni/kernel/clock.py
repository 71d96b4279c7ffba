"""Whether the system clock is kept right, by adjtimex(2)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_UNSYNCHRONISED = 0x0040
"""STA_UNSYNC: nobody has corrected the clock lately."""
_ROOM = 256
"""Bytes of `struct timex`, and more."""


class _Timex(ctypes.Structure):
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * _ROOM),
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """How the system clock is kept."""

    synchronised: bool
    """Whether something such as chrony has corrected it lately."""
    error: float
    """Seconds that it may be wrong, as the kernel reckons it."""


def clock() -> Clock:
    """`timedatectl show -p NTPSynchronized`, as the kernel has it.

    Raises:
        OSError: what the kernel answered.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    asked = _Timex()  # modes 0: nothing is set
    if libc.adjtimex(ctypes.byref(asked)) < 0:
        raise OSError(ctypes.get_errno(), "adjtimex")
    return Clock(not asked.status & _UNSYNCHRONISED, asked.maxerror / 1e6)
