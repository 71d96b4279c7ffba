"""Timing two things in turn, A B A B …, and what can be said of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Series:
    """Wall times of one side, in milliseconds."""

    name: str
    median: float
    p95: float

    @classmethod
    def of(cls, name: str, times: list[float]) -> Series:
        """Sum up the times of one side."""
        return cls(name, statistics.median(times), statistics.quantiles(times, n=20)[-1])


@dataclass(frozen=True, slots=True)
class Comparison:
    """One side against the other; the ratio is the median of the pairs' ratios."""

    subject: str
    ours: Series
    theirs: Series
    ratio: float
    target: float | None

    @classmethod
    def of(
        cls,
        subject: str,
        ours: tuple[str, list[float]],
        theirs: tuple[str, list[float]],
        target: float | None = None,
    ) -> Comparison:
        """Compare the times of two sides, taken in turn."""
        ratios = [a / b for a, b in zip(ours[1], theirs[1], strict=True)]
        return cls(subject, Series.of(*ours), Series.of(*theirs), statistics.median(ratios), target)

    @classmethod
    def of_dict(cls, told: dict[str, Any]) -> Comparison:
        """Return what `as_dict` has told of."""
        sides = {name: Series(**told[name]) for name in ("ours", "theirs")}
        return cls(**{**told, **sides})

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON."""
        return asdict(self)


def compare(  # noqa: PLR0913 - most of it by name
    subject: str,
    ours: tuple[str, Callable[[], object]],
    theirs: tuple[str, Callable[[], object]],
    *,
    rounds: int,
    target: float | None = None,
    between: Callable[[], object] = lambda: None,
) -> Comparison:
    """Time two callables in turn, after one round that does not count.

    Args:
        subject: what they do.
        ours: one side's name, and what it does.
        theirs: the other's.
        rounds: how often.
        target: the ratio that is wanted at most.
        between: called before each, and not timed.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for side, (_, call) in enumerate((ours, theirs)):
            between()
            started = time.perf_counter()
            call()
            times[side].append((time.perf_counter() - started) * 1000)
    return Comparison.of(subject, (ours[0], times[0][1:]), (theirs[0], times[1][1:]), target)
