"""How long each step of a request takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from cni.delegate.interface import Allocation, Ipam
from cni.protocol.request import Request

T = TypeVar("T")


class Stopwatch:
    """Sums up the seconds that a request spends in each step; runs from the beginning."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._seconds: dict[str, float] = {}

    @contextmanager
    def timing(self, step: str) -> Iterator[None]:
        """Add the time of a block to a step."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.add(step, time.perf_counter() - begun)

    def add(self, step: str, seconds: float) -> None:
        """Add to a step."""
        self._seconds[step] = self._seconds.get(step, 0.0) + seconds

    def around(self, step: str) -> Callable[[Callable[[], T]], T]:
        """Return what does a piece of work as part of a step."""

        def do(work: Callable[[], T]) -> T:
            with self.timing(step):
                return work()

        return do

    def so_far(self) -> float:
        """Return the seconds since the beginning."""
        return time.perf_counter() - self._begun

    def seconds(self) -> Mapping[str, float]:
        """Return the seconds of each step, and those of all (`total`)."""
        return {**self._seconds, "total": self.so_far()}


class TimedIpam:
    """An IPAM plugin whose time is taken (`cni.delegate.interface.Ipam`)."""

    def __init__(self, ipam: Ipam, stopwatch: Stopwatch) -> None:
        self._ipam = ipam
        self._stopwatch = stopwatch

    def allocate(self, request: Request) -> Allocation:
        """ADD."""
        with self._stopwatch.timing("ipam"):
            return self._ipam.allocate(request)

    def release(self, request: Request) -> None:
        """DEL."""
        with self._stopwatch.timing("ipam"):
            self._ipam.release(request)

    def check(self, request: Request) -> None:
        """CHECK."""
        with self._stopwatch.timing("ipam"):
            self._ipam.check(request)

    def collect(self, request: Request) -> None:
        """GC."""
        with self._stopwatch.timing("ipam"):
            self._ipam.collect(request)

    def status(self, request: Request) -> None:
        """STATUS."""
        with self._stopwatch.timing("ipam"):
            self._ipam.status(request)
