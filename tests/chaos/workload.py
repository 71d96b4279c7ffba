"""The runtimes: pods that come and go on all machines, and are cleaned up after as kubelet does."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass

from tests.chaos.history import Log, Request
from tests.chaos.machine import Machine
from tests.chaos.process import Process

_KINDS = (
    ("roce-a", "roce-b"),
    ("roce-a", "roce-b"),
    ("roce-b", "roce-a", "sto-a", "sto-b"),
    ("roce-a", "roce-b", "sto-a", "sto-b"),
    ("sto-b",),
)
_WANTED = (0, 0, 4, 12, 25, 45)
"""Pods of one worker; at the most, there is not enough storage for all."""
_KEPT = (2.0, 8.0)
"""Seconds after which it wants another number."""
_PAUSE = (0.0, 0.04)
_DOWN = 0.05
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod, whole or half made."""

    container: str
    rails: tuple[str, ...]
    boot: str


class Worker:
    """One of the workers of a machine's runtime.

    Args:
        machine: whose.
        number: tells the machine's workers apart.
        log: where every request goes.
        stop: set when it is to make no more pods.
        seed: all chance comes from it.
    """

    def __init__(
        self, machine: Machine, number: int, log: Log, stop: threading.Event, seed: int
    ) -> None:
        self._machine = machine
        self._name = f"{machine.name}-{number}"
        self._log = log
        self._stop = stop
        self._chance = random.Random(f"{seed} {self._name}")  # noqa: S311
        self._pods: list[Pod] = []
        self._doomed: list[Pod] = []
        self._count = 0

    def run(self) -> None:
        """Make and end pods until it is told to stop; then finish what has begun.

        Raises:
            RuntimeError: the node has died by itself.
        """
        try:
            self._live()
        except BaseException:
            self._stop.set()
            raise

    def _live(self) -> None:
        wanted, until = 0, 0.0
        while not self._stop.is_set():
            if time.monotonic() > until:
                wanted = self._chance.choice(_WANTED)
                until = time.monotonic() + self._chance.uniform(*_KEPT)
            self._step(wanted)
            self._stop.wait(self._chance.uniform(*_PAUSE))
        until = time.monotonic() + _PATIENCE
        while self._clean_up():
            if time.monotonic() > until:
                raise TimeoutError(f"{self._name}: {len(self._doomed)} pods cannot be ended")
            time.sleep(_DOWN)

    def _step(self, wanted: int) -> None:
        process = self._machine.process
        if process is None:
            self._stop.wait(_DOWN)
            return
        self._clean_up()
        if len(self._pods) < wanted:
            self._make(process)
        elif self._pods:
            place = self._chance.randrange(len(self._pods))
            self._doomed.append(self._pods.pop(place))

    def _make(self, process: Process) -> None:
        """Make a pod; whatever fails, all of it is taken back later."""
        self._count += 1
        name = f"{self._name}-{self._count}"
        pod = Pod(name, self._chance.choice(_KINDS), process.boot)
        made = all(self._ask(process, "ADD", pod, rail) for rail in pod.rails)
        (self._pods if made else self._doomed).append(pod)

    def _clean_up(self) -> bool:
        """End what is to end, and the pods of earlier boots; tell whether any are left."""
        boot = self._machine.boot
        self._doomed += [pod for pod in self._pods if pod.boot != boot]
        self._pods = [pod for pod in self._pods if pod.boot == boot]
        process = self._machine.process
        if process:
            self._doomed = [pod for pod in self._doomed if not self._end(process, pod)]
        return bool(self._doomed)

    def _end(self, process: Process, pod: Pod) -> bool:
        return all(self._ask(process, "DEL", pod, rail) for rail in pod.rails)

    def _ask(self, process: Process, verb: str, pod: Pod, rail: str) -> bool:
        begun = time.monotonic()
        reply = process.ask(verb, pod.container, rail)
        if process.died_by_itself:
            raise RuntimeError(f"the node on {self._machine.name} died: {self._machine.folder}/log")
        self._log.add(
            Request(
                verb, self._machine.name, process.boot, pod.container, rail, begun, reply.at,
                reply.code, reply.address, reply.seconds, reply.message,
            )
        )  # fmt: skip
        return reply.code == 0


def probe(machine: Machine, log: Log, rail: str, number: int) -> None:
    """Make and end a pod at once, whatever comes of it."""
    process = machine.process
    if process:
        worker = Worker(machine, 9, log, threading.Event(), number)
        pod = Pod(f"{machine.name}-probe-{time.monotonic_ns()}", (rail,), process.boot)
        worker._ask(process, "ADD", pod, rail)
        worker._end(process, pod)
