"""Which endpoint is asked, for how long, and when to pause: plain arithmetic."""

from __future__ import annotations

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_SHORTEST_ATTEMPT = 0.1


class Rotation:
    """The endpoint that is stayed on until it fails.

    Threads may share one: of several that fail on the same endpoint, one moves on from it.
    """

    def __init__(self, count: int, start: int) -> None:
        self._count = count
        self._current = start % count

    @property
    def current(self) -> int:
        """The endpoint to ask, from 0."""
        return self._current

    def leave(self, failed: int) -> None:
        """Go to the endpoint after one that failed, if that is still the current one."""
        if self._current == failed:
            self._current = (failed + 1) % self._count


def attempt_seconds(attempt: float, left: float, *, failures: int, endpoints: int) -> float:
    """Return how long the next attempt may take, at most what is left.

    Each round over all endpoints doubles it: an answer that takes longer than a first attempt
    (a long listing, a busy cluster) gets through in the end.  Where there is another endpoint,
    half of what is left stays for it.

    Args:
        attempt: seconds for the first one.
        left: seconds of the caller's budget.
        failures: attempts so far.
        endpoints: how many there are.
    """
    share = left if endpoints == 1 else max(left / 2, min(left, _SHORTEST_ATTEMPT))
    return float(min(attempt * 2.0 ** min(failures // endpoints, 10), share))


def pause_seconds(*, failures: int, endpoints: int, chance: float) -> float:
    """Return how long to wait before the next attempt: nothing until a round is over.

    Args:
        failures: attempts so far, one after the other.
        endpoints: how many there are.
        chance: 0 to 1, so that not all nodes come back at once.
    """
    rounds, place = divmod(failures, endpoints)
    if place or not rounds:
        return 0.0
    longest = min(_FIRST_PAUSE * 2.0 ** min(rounds - 1, 10), _LONGEST_PAUSE)
    return float(longest * (0.5 + chance / 2))
