"""A packet every 10 ms from pod to pod, and what became of each."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from tests.netns import pinging
from tests.netns.cluster import Node
from tests.netns.namespace import PATIENCE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a stream."""

    sent: int
    lost: int
    gap: float
    """Seconds of the longest time in which nothing was sent that came back."""


class Stream:
    """Pings from a pod to another, until it is ended."""

    def __init__(self, one: Node, other: Node, family: int = 4) -> None:
        program = (sys.executable, str(pinging.__file__), other.pod_address(family))
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", one.pod.name, *program],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    def wait(self) -> None:
        """Wait until it has begun."""
        assert self._process.stdout
        assert self._process.stdout.readline() == f"{pinging.BEGUN}\n"

    def end(self) -> Outcome:
        """Stop it; return what became of it."""
        self._process.send_signal(signal.SIGINT)
        text, _ = self._process.communicate(timeout=PATIENCE)
        return judge(json.loads(text))

    def close(self) -> None:
        """End it, if it has not ended."""
        self._process.kill()
        self._process.communicate(timeout=PATIENCE)


def both(one: Outcome, other: Outcome) -> Outcome:
    """Return two streams as one, with the longer gap."""
    return Outcome(one.sent + other.sent, one.lost + other.lost, max(one.gap, other.gap))


def judge(packets: Iterable[tuple[float, bool]]) -> Outcome:
    """Return what became of packets.

    A gap begins when a packet is sent that is lost and ends when one is sent that is not: when the
    machine is too busy to send, nothing is lost by that.

    Args:
        packets: of each, when it was sent and whether it came back.
    """
    runs = [(came, [at for at, _ in run]) for came, run in groupby(packets, key=lambda p: p[1])]
    begun = [times[0] for _, times in runs]
    ends = [*begun[1:], runs[-1][1][-1]] if runs else []
    gaps = [end - began for (came, _), began, end in zip(runs, begun, ends, strict=True)
            if not came]  # fmt: skip
    lost = sum(len(times) for came, times in runs if not came)
    return Outcome(sum(len(times) for _, times in runs), lost, max(gaps, default=0.0))
