"""How long a request may wait for the registry, over all its calls."""

from __future__ import annotations

import time
from collections.abc import Callable

from ipam.etcd.errors import UnavailableError


class Deadline:
    """A time by which all must be done.

    Args:
        seconds: from now.
        clock: tells a time in seconds that never goes back.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def left(self) -> float:
        """Return the seconds that are left (UnavailableError when none are)."""
        left = self._end - self._clock()
        if left <= 0:
            raise UnavailableError(
                f"the registry did not do all that was asked in {self._seconds:g} s"
            )
        return left
