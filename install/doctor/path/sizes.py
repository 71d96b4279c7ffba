"""Which sizes are tried next.  Pure."""

from __future__ import annotations

AT_ONCE = 16
"""Sizes in one round: three rounds tell a limit among some thousands to the byte or two."""
_USUAL = (1280, 1400, 1450, 1472, 1500, 2044, 4092, 8900, 8950, 8986, 8996)
"""What limits usually are, and so worth a try of their own."""


def between(low: int, high: int) -> list[int]:
    """Return the sizes to try, when one came through and a larger one did not.

    Args:
        low: bytes that came through.
        high: bytes that did not.
    """
    step = max((high - low) // AT_ONCE, 1)
    spread = range(low + step, high, step)
    usual = [size for known in _USUAL for size in (known, known + 1) if low < size < high]
    return sorted({*list(spread)[:AT_ONCE], *usual})


def narrowed(low: int, high: int, came: set[int], tried: list[int]) -> tuple[int, int]:
    """Return the new limits, by what came of a round; a short one may be lost by accident."""
    low = max({low, *came})
    return low, min([size for size in tried if size > low], default=high)
