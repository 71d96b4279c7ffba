"""A storm of pods while the agent is killed and frozen: nothing leaks, and nobody waits for long.

`RAILCNI_STORM=100` kills and freezes it that often.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.spec.agent import Agent, running
from tests.spec.node import Node, wait_until
from tests.spec.runtime import NOTHING, Reply, Runtime, Slot, rail

pytestmark = pytest.mark.netns

TIMES = int(os.environ.get("RAILCNI_STORM", "10"))
"""Each of SIGKILL and SIGSTOP."""
PODS = 6
SEED = 9
FROZEN = (0.1, 2.5)
"""Seconds, at least and at most."""
RETRIES = 20
"""Of one verb: the agent may be hit again and again."""
LIFE = 0.05
"""Seconds that a pod lives."""
LONGEST_WAIT = 2.0
"""Seconds that a request takes longer for an agent that hangs."""


@dataclass
class Ledger:
    """What all pods hold, and what became of their requests."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    held: set[str] = field(default_factory=set)
    double: list[str] = field(default_factory=list)
    unclear: list[Reply] = field(default_factory=list)
    failures: Counter[int] = field(default_factory=Counter)
    longest: float = 0.0
    rounds: int = 0

    def take(self, addresses: list[str]) -> None:
        with self.lock:
            self.double += [address for address in addresses if address in self.held]
            self.held.update(addresses)

    def give_back(self, addresses: list[str]) -> None:
        with self.lock:
            self.held.difference_update(addresses)

    def note(self, reply: Reply, seconds: float) -> None:
        with self.lock:
            self.longest = max(self.longest, seconds)
            if reply.exit_code:
                self.failures[reply.error[0]] += 1
                if reply.error[0] != 11 or not reply.error[1]:
                    self.unclear.append(reply)


class Pod:
    """Starts and stops, until the storm is over; it ends stopped."""

    def __init__(self, runtime: Runtime, node: Node, number: int, ledger: Ledger) -> None:
        self._runtime = runtime
        self.namespace = node.pod()
        self._slot = Slot(self.namespace.path, f"c{number}")
        self.device = node.device()
        self._config = rail(self.device)
        self._ledger = ledger
        self.lost: list[str] = []

    def live(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            added = self._insist("ADD")
            if added:
                self._ledger.take(added.addresses)
                time.sleep(LIFE)
                self._ledger.give_back(added.addresses)  # before DEL frees them for others
            self._insist("DEL")
            with self._ledger.lock:
                self._ledger.rounds += 1

    def _insist(self, command: str) -> Reply | None:
        """Try again as a runtime does: after a failed ADD comes a DEL."""
        for _ in range(RETRIES):
            begun = time.monotonic()
            reply = self._runtime.call(command, self._config, self._slot)
            self._ledger.note(reply, time.monotonic() - begun)
            if not reply.exit_code:
                return reply
            if command == "ADD":
                self._insist("DEL")
        self.lost.append(command)
        return None


@contextmanager
def storm(pods: list[Pod]) -> Iterator[None]:
    """Let all pods start and stop while the block runs."""
    over = threading.Event()
    threads = [threading.Thread(target=pod.live, args=(over.is_set,)) for pod in pods]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_an_agent_that_dies_and_hangs_loses_nothing_and_keeps_nobody(
    node: Node, plain_runtime: Runtime, tmp_path: Path
) -> None:
    calm, ledger = Ledger(), Ledger()
    alone = [Pod(plain_runtime, node, number, calm) for number in range(PODS)]
    with storm(alone):  # without an agent: how long a request takes on this machine now
        wait_until(lambda: calm.rounds >= 3 * PODS, "rounds", 300)
    pods = [Pod(plain_runtime, node, number, ledger) for number in range(PODS)]
    before = {pod.device: node.link(pod.device) for pod in pods}
    with running(plain_runtime, tmp_path) as agent, storm(pods):
        _strike(agent)
    print(  # noqa: T201 - shown by pytest -rP
        f"{TIMES} × SIGKILL, {TIMES} × SIGSTOP: {ledger.rounds} pods came and went, failures by "
        f"code {dict(ledger.failures)}, longest request {ledger.longest:.2f} s "
        f"(alone {calm.longest:.2f} s)"
    )
    assert (ledger.double, ledger.unclear, [pod.lost for pod in pods]) == ([], [], [[]] * PODS)
    assert ledger.rounds > PODS
    assert {pod.device: node.link(pod.device) for pod in pods} == before
    assert [plain_runtime.leftovers(pod.namespace) for pod in pods] == [NOTHING] * PODS
    assert ledger.longest < 2 * calm.longest + LONGEST_WAIT


def _strike(agent: Agent) -> None:
    lottery = random.Random(SEED)  # noqa: S311 - instants, no secrets
    strikes = [signal.SIGKILL, signal.SIGSTOP] * TIMES
    lottery.shuffle(strikes)
    for strike in strikes:
        time.sleep(lottery.uniform(0.1, 0.5))
        if strike is signal.SIGKILL:
            agent.kill()
            time.sleep(lottery.uniform(0, 0.3))
            agent.restart()
        else:
            agent.process.send_signal(signal.SIGSTOP)
            time.sleep(lottery.uniform(*FROZEN))
            agent.process.send_signal(signal.SIGCONT)
