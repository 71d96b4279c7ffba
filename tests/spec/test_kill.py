"""SIGKILL at any instant of ADD or DEL, then DEL: the device is as it was and nothing is held.

Half of the instants are spread over the time that a request takes, most of which is the start of
the program; the other half over the changes that it makes to the kernel.
"""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.spec.changes import Changes
from tests.spec.node import Namespace, Node
from tests.spec.runtime import NOTHING, Runtime, Slot, rail

pytestmark = pytest.mark.netns

ROUNDS = 200
"""Over both verbs, both ways to choose the instant and all workbenches."""
WORKBENCHES = 2
LOTS = 5
"""On each workbench; before each one, it is measured how long a request takes."""
SEED = 60


@dataclass(frozen=True, slots=True)
class Cost:
    """What a request takes that nobody disturbs: seconds, and changes that the kernel tells of."""

    seconds: float
    changes: int


@dataclass(frozen=True, slots=True)
class Workbench:
    """A device and a pod that are used again and again, one request after the other."""

    node: Node
    pod: Namespace
    changes: Changes
    runtime: Runtime
    config: dict[str, Any]
    slot: Slot

    def state(self) -> dict[str, Any]:
        """Return all that DEL must restore."""
        runtime, device, container = self.runtime, self.config["device"], self.slot.container
        return {
            "device": self.node.link(device),
            "node": self.node.links(),
            "pod": self.pod.links(),
            "rules": self.pod.rules(),
            "records": self.records(),
            "held": [holder for holder in runtime.held() if holder.startswith(f"{container} ")],
        }

    def records(self) -> list[str]:
        return [name for name in self.runtime.records() if self.config["device"] in name]

    def run(self, command: str) -> None:
        """Make a request."""
        reply = self.runtime.call(command, self.config, self.slot)
        assert reply.exit_code == 0, reply

    def measure(self, command: str) -> Cost:
        """Make a request; return what it costs now, on a machine that may be busy."""
        self.changes.count()
        begun = time.monotonic()
        self.run(command)
        return Cost(time.monotonic() - begun, self.changes.count())

    def kill(self, command: str, wait: Callable[[subprocess.Popen[str]], object]) -> str:
        """Begin a request and kill it after a wait; return how far it had come."""
        self.changes.count()
        process = self.runtime.start(command, self.config, self.slot)
        wait(process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:
            return "finished"
        if not self.records():
            return "nothing recorded"
        if self.config["device"] in self.node.links():
            return "recorded, device on the node under its name"
        return "device in the pod" if self.pod.links() != ["lo"] else "device on its way home"


@pytest.fixture
def workbenches(bundle: Path, runtime: Runtime) -> Iterator[list[Workbench]]:
    del bundle
    with ExitStack() as stack:
        made = []
        for number in range(WORKBENCHES):
            node = Node()
            stack.callback(node.delete)
            made.append(_workbench(stack, replace(runtime, node=node), f"c{number}"))
        yield made


def test_del_restores_everything_whenever_a_request_was_killed(
    workbenches: list[Workbench], record_property: Callable[[str, object], None]
) -> None:
    with ThreadPoolExecutor(WORKBENCHES) as workers:
        phases = sum(workers.map(_kill_and_restore, workbenches), Counter[str]())
    for phase, number in sorted(phases.items()):
        record_property(phase, number)
        print(f"{number:4} {phase}")  # noqa: T201 - shown by pytest -rP
    assert phases.total() == ROUNDS
    for command in ("ADD", "DEL"):  # not all of them were too early or too late
        assert phases[f"{command}: device in the pod"] > ROUNDS / 20
    for bench in workbenches:
        assert bench.runtime.leftovers(bench.pod) == NOTHING


def _workbench(stack: ExitStack, runtime: Runtime, container: str) -> Workbench:
    node, pod = runtime.node, runtime.node.pod()
    config = rail(
        node.device(altnames=(f"{container}-altname", f"{container}-another")),
        ipam={"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"]},
        mac=f"02:00:00:00:60:0{container[-1]}",
        sourceRouting=True,
    )
    changes = stack.enter_context(Changes.of([node, pod]))
    return Workbench(node, pod, changes, runtime, config, Slot(pod.path, container))


def _kill_and_restore(bench: Workbench) -> Counter[str]:
    lottery = random.Random(f"{SEED} {bench.slot.container}")  # noqa: S311 - instants, no secrets
    before, phases = bench.state(), Counter[str]()
    for _ in range(LOTS):
        costs = {command: bench.measure(command) for command in ("ADD", "DEL")}
        for command, cost in list(costs.items()) * (ROUNDS // WORKBENCHES // LOTS // 4):
            after = lottery.uniform(0, cost.seconds)
            number = lottery.randint(1, cost.changes)
            for wait in (_Seconds(after), _Changes(bench.changes, number)):
                if command == "DEL":
                    bench.run("ADD")
                phase = bench.kill(command, wait)
                phases[f"{command}: {phase}"] += 1
                bench.run("DEL")
                assert bench.state() == before, f"{command} was killed after {wait}: {phase}"
    return phases


@dataclass(frozen=True, slots=True)
class _Seconds:
    number: float

    def __call__(self, process: subprocess.Popen[str]) -> None:
        try:
            process.wait(self.number)
        except subprocess.TimeoutExpired:
            return


@dataclass(frozen=True, slots=True)
class _Changes:
    seen: Changes
    number: int

    def __call__(self, process: subprocess.Popen[str]) -> None:
        self.seen.wait(self.number, process)
