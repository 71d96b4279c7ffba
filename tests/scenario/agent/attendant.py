"""The agent's part in rail-sriov on a node of the scenarios, its chores called one by one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from cni.agent.attending import GRACE, Attending
from cni.host.paths import STATE_DIR
from cni.kernel.interface import Namespace
from cni.rail.node import Node
from tests.scenario.rail.worlds import MemoryWorld, World

_numbers = count(4711)


@dataclass
class Attendant:
    """An agent's part that sees what the host sees, unless it is said that it does not."""

    world: World
    given: dict[str, Any] = field(default_factory=dict)
    blindness: str = ""
    node: Node | None = None
    _passed: int = 0
    """Nanoseconds by which the running kernel's clock seems to be ahead."""

    def __post_init__(self) -> None:
        if not isinstance(self.world, MemoryWorld):
            real = self.world.kernel.uptime
            self.world.kernel.uptime = lambda: real() + self._passed  # type: ignore[method-assign]
        self.start()

    def start(self) -> None:
        """Start the agent, perhaps anew."""
        usual: dict[str, Any] = {
            "environ": {STATE_DIR: str(self.world.paths.state)},
            "blindness": lambda: self.blindness,
        }
        self.part = Attending(self.node or self.world.node, **usual | self.given)

    def does(self, name: str) -> None:
        """Have one chore done."""
        (chore,) = [chore for chore in self.part.chores if chore.name == name]
        chore.run()

    def lets_pass(self, share: float = 1.0) -> None:
        """Let a share of the grace period pass."""
        if isinstance(self.world, MemoryWorld):
            self.world.kernel.advance(share * GRACE)
        else:
            self._passed += int(share * GRACE * 1e9)

    def repairs(self) -> None:
        """Look twice, with the grace period between."""
        self.does("repair")
        self.lets_pass()
        self.does("repair")

    def figures(self, name: str) -> Mapping[tuple[str, ...], float]:
        """Return the values of one family."""
        (family,) = [family for family in self.part.figures() if family.name == name]
        return {sample.labels: sample.value for sample in family.samples}

    def figure(self, name: str, *labels: str) -> float:
        """Return one value."""
        return self.figures(name)[labels]


def keep_open(world: World, path: str, until: ExitStack) -> None:
    """Have a process in a namespace until then."""
    if isinstance(world, MemoryWorld):
        another = f"/proc/{next(_numbers)}/ns/net"
        world.kernel.add_path(path, another)
        until.callback(world.kernel.delete_namespace, another)
        return
    process = subprocess.Popen(["nsenter", f"--net={path}", "sleep", "60"])
    until.callback(process.wait)
    until.callback(process.kill)
    entered, host = Path(f"/proc/{process.pid}/ns/net"), Path("/proc/self/ns/net")
    while entered.samefile(host):
        time.sleep(0.005)


def gone(world: World, number: int = 0) -> str:
    """Attach a device and let the pod vanish without DEL; return the device."""
    device, pod = world.add_device(), world.add_pod()
    reply = world.call("ADD", pod=pod, device=device, container=f"c{number}")
    assert reply.exit_code == 0, reply.document
    world.delete_pod(pod)
    return device


def kept(world: World, count: int = 1) -> None:
    """Assert that nothing was freed."""
    assert len(world.records()) == len(world.held()) == count


def freed(world: World) -> None:
    """Assert that nothing is attached."""
    assert (world.records(), world.held()) == ([], [])


def searches(memory: MemoryWorld, agent: Attendant) -> int:
    """Have attachments repaired; return how often all namespaces were looked at."""
    passes: list[object] = []
    real = memory.kernel.search

    def search(wanted: Callable[[Namespace], bool]) -> AbstractContextManager[Namespace | None]:
        passes.append(wanted)
        return real(wanted)

    memory.kernel.search = search  # type: ignore[method-assign, assignment]
    agent.does("repair")
    memory.kernel.search = real  # type: ignore[method-assign]
    return len(passes)
