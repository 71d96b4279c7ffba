"""Waiting for what others bring about, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from install.job.errors import JobError, NotYetError

_Value = TypeVar("_Value")
_INTERVAL = 0.5
"""Seconds between two looks."""


def until(
    look: Callable[[], _Value],
    seconds: float,
    *,
    interval: float = _INTERVAL,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> _Value:
    """Look until there is something, once at least.

    Args:
        look: returns it, or raises NotYetError.
        seconds: how long to wait.
        interval: seconds between two looks.
        now: a clock that never goes back, in seconds.
        sleep: waits for some seconds.

    Raises:
        JobError: what was missing at the last look.
    """
    end = now() + seconds
    while True:
        try:
            return look()
        except NotYetError as reason:
            left = end - now()
            if left <= 0:
                waited = f" (waited {seconds:g} s)" if seconds else ""
                raise JobError(f"{reason}{waited}") from None
        sleep(min(interval, left))
