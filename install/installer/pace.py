"""How often something is done again that does not last, or does not succeed.

Another program may write what we write, each time after us: then both would be at it for ever.
"""

from __future__ import annotations

from dataclasses import dataclass

_FIRST, _LONGEST = 0.5, 300.0
"""Seconds of the pause after something is done, doubled each time."""
_PEACE = 60.0
"""Seconds without it, or four of its pauses, after which nothing is held against it any more."""
_CONTESTED = 6
"""Times that something is done in that, from which on somebody is told."""


@dataclass(slots=True)
class _Doings:
    times: int = 0
    done: int = 0
    last: float = 0.0

    def pause(self) -> float:
        return min(_FIRST * 2.0 ** (self.times - 1), _LONGEST) if self.times else 0.0

    def is_over(self, now: float) -> bool:
        return now - self.last >= max(_PEACE, 4 * self.pause())


class Pace:
    """What was done how often; times are seconds of one clock."""

    def __init__(self) -> None:
        self._doings: dict[str, _Doings] = {}

    def may(self, what: str, now: float) -> bool:
        """Tell whether something may be done now."""
        doings = self._doings.get(what)
        return doings is None or now - doings.last >= doings.pause()

    def tries(self, what: str, now: float) -> None:
        """Note that something is tried."""
        doings = self._doings.setdefault(what, _Doings())
        if doings.is_over(now):
            doings.times = doings.done = 0
        doings.times, doings.last = doings.times + 1, now

    def did(self, what: str) -> None:
        """Note that what was tried has succeeded."""
        self._doings[what].done += 1

    def contested(self, now: float) -> dict[str, int]:
        """Return what is done again and again, and how many times it was."""
        return {
            what: doings.done
            for what, doings in self._doings.items()
            if doings.done >= _CONTESTED and not doings.is_over(now)
        }
