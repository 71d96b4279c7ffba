"""Many pods at once: how long the slowest waits for its rails, and how many come in a second."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.bench.figures import Figure
from tests.bench.pairs import Comparison
from tests.bench.pods import RAILS, Pod, Side
from tests.spec.node import Node

PODS = 16
_SUBJECT = f"{PODS} pods × {len(RAILS)} rails at once"


@dataclass
class Storm:
    """Pods of one side that start at the same time.

    Args:
        side: what attaches their devices.
        pods: of a node.
        slowest: milliseconds that the slowest pod of each round took.
        throughput: pods per second of each round.
    """

    side: Side
    pods: Sequence[Pod]
    slowest: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)

    @classmethod
    def on(cls, node: Node, side: Side) -> Storm:
        """Make the pods."""
        return cls(side, [Pod(side, node, len(RAILS)) for _ in range(PODS)])

    @property
    def problems(self) -> list[str]:
        """What requests have failed of."""
        return [problem for pod in self.pods for problem in pod.problems]

    def come_and_go(self) -> None:
        """Let all pods start, each in a thread, and when all have, stop."""
        with ThreadPoolExecutor(len(self.pods)) as threads:
            begun = time.perf_counter()
            seconds = list(threads.map(lambda pod: _timed(pod.attach), self.pods))
            self.throughput.append(len(self.pods) / (time.perf_counter() - begun))
            self.slowest.append(max(seconds) * 1000)
            list(threads.map(Pod.detach, self.pods))


def compare_storms(
    ours: Storm, theirs: Storm, *, rounds: int
) -> tuple[Comparison, Iterator[Figure]]:
    """Let the pods of two sides come and go in turn, after one round that does not count."""
    for _ in range(rounds + 1):
        for storm in (ours, theirs):
            storm.come_and_go()
    slowest = Comparison.of(
        f"{_SUBJECT}: the slowest pod",
        (ours.side.name, ours.slowest[1:]),
        (theirs.side.name, theirs.slowest[1:]),
    )
    return slowest, _figures(ours, theirs)


def _figures(*storms: Storm) -> Iterator[Figure]:
    for storm in storms:
        rate = statistics.median(storm.throughput[1:])
        yield Figure(_SUBJECT, f"{storm.side.name}: throughput", rate, "pods/s")
    for storm in storms:
        yield Figure(_SUBJECT, f"{storm.side.name}: errors", len(storm.problems), "", 0)


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
