"""The agent by its own account: what a request takes in it, and how much memory it has."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure
from tests.bench.pods import Pod
from tests.bench.storm import Storm
from tests.spec.agent import Agent

_RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_TARGETS = {50: 3.0, 99: 10.0}
"""Milliseconds, by percentile."""


def times(agent: Agent, pod: Pod, requests: int) -> Iterator[Figure]:
    """Measure what requests take in the agent, the kernel's part taken off."""
    already = len(agent.served())
    for _ in range(requests):
        pod.attach()
        pod.detach()
    served = agent.served()[already:]
    for command in ("ADD", "DEL"):
        steps = [line["ms"] for line in served if line["command"] == command]
        percentiles = statistics.quantiles([ms["total"] - ms["kernel"] for ms in steps], n=100)
        subject = f"{command} in the agent, without the kernel's part ({len(steps)} requests)"
        for percentile, target in _TARGETS.items():
            yield Figure(subject, f"p{percentile}", percentiles[percentile - 1], "ms", target)
        for step in ("parse", "ipam", "kernel", "total"):
            median = statistics.median(ms[step] for ms in steps)
            yield Figure(f"{command} in the agent, by step", step, median, "ms")


def resident(agent: Agent) -> float:
    """Return how much memory the agent has, in MiB."""
    status = Path(f"/proc/{agent.process.pid}/status").read_text(encoding="ascii")
    [found] = _RESIDENT.findall(status)
    return int(found) / 1024


def memory(agent: Agent, storm: Storm, at_rest: float, attachments: int) -> Iterator[Figure]:
    """Measure what is left of the memory that many attachments take.

    Args:
        agent: the agent.
        storm: pods that come and go until there were enough attachments.
        at_rest: its memory before its first request.
        attachments: how many.
    """
    subject = "memory of the agent (RSS)"
    yield Figure(subject, "at rest", at_rest, "MiB")
    storm.come_and_go()
    warm, first = resident(agent), len(agent.served())
    while (done := (len(agent.served()) - first) // 2) < attachments:
        storm.come_and_go()
    after = resident(agent)
    yield Figure(subject, "after one storm", warm, "MiB")
    yield Figure(subject, f"after {done:,} more attachments", after, "MiB")
    yield Figure(subject, "growth", after - warm, "MiB")
    yield Figure(subject, "errors meanwhile", len(storm.problems), "", 0)
