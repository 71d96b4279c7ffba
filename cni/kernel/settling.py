"""Reading what may change while it is read: a dump that the kernel calls inconsistent."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from cni.kernel.types import KernelError

T = TypeVar("T")

_PATIENCE = 2.0
"""Seconds for a table to come to rest, on a node where many pods start at once."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
"""Seconds between two looks, doubling from the first to the second."""


def settled(verb: str, read: Callable[[], T]) -> T:
    """Read, and again when it changed meanwhile.

    Args:
        verb: what is read, for the error.
        read: raises EINTR when it changed (`netlink.exchange`).

    Raises:
        KernelError: EAGAIN when it never comes to rest.
    """
    deadline, pause = time.monotonic() + _PATIENCE, _FIRST_PAUSE
    while True:
        try:
            return read()
        except OSError as error:
            if error.errno != errno.EINTR:
                raise
        if time.monotonic() > deadline:
            raise KernelError(verb, errno.EAGAIN, "the table kept changing")
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
