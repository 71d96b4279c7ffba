"""Round-trip time, jitter and loss of the last requests on one way.  Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_KEPT = 50
"""Requests; of one a second, the last minute's."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured; None while nothing was."""

    rtt: float | None = None
    """Seconds, the mean."""
    jitter: float | None = None
    """Seconds, the mean difference of one round-trip time from the one before."""
    loss: float | None = None
    """Share of the requests that nobody answered in time, from 0 to 1."""


class Measured:
    """The outcomes of one way's last requests."""

    def __init__(self) -> None:
        self._outcomes: deque[float | None] = deque(maxlen=_KEPT)

    def answered(self, rtt: float) -> None:
        """Note an answer after so many seconds."""
        self._outcomes.append(rtt)

    def lost(self) -> None:
        """Note a request that nobody has answered in time."""
        self._outcomes.append(None)

    def figures(self) -> Figures:
        """Return what they are together."""
        outcomes = list(self._outcomes)
        if not outcomes:
            return Figures()
        rtts = [rtt for rtt in outcomes if rtt is not None]
        steps = [abs(rtts[i] - rtts[i - 1]) for i in range(1, len(rtts))]
        return Figures(
            rtt=sum(rtts) / len(rtts) if rtts else None,
            jitter=sum(steps) / len(steps) if steps else None,
            loss=1 - len(rtts) / len(outcomes),
        )
