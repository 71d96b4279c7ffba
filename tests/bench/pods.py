"""Pods that come and go, by the agent or by what it is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.bench.caller import OURS, THEIRS
from tests.bench.peers import Release
from tests.scale.node import TWO_FABRICS
from tests.spec.node import Node
from tests.spec.runtime import Runtime, Slot
from tests.vm.suite.machine import MachineRuntime

RAILS = tuple(
    (fabric, f"{fabric}-{number}", subnet)
    for fabric, subnets in TWO_FABRICS.items()
    for number, subnet in enumerate(subnets)
)
"""Fabric, name and subnet of each."""
_SETTLING = 0.2
"""Seconds for what outlives a request: the kernel's grace periods, and the agent's upkeep."""
_containers = count()


@dataclass(frozen=True, slots=True)
class Side:
    """Plugins that attach devices.

    Args:
        name: of the side.
        runtime: calls them; who uses it is in the node's network namespace.
        config: returns the network configuration for a rail's number and a device.
    """

    name: str
    runtime: Runtime
    config: Callable[[int, str], dict[str, Any]]


def ours(node: Node, environ: dict[str, str], state: Path) -> Side:
    """Return the side of rail-sriov, with addresses of the whole cluster."""

    def config(rail: int, device: str) -> dict[str, Any]:
        fabric, name, _ = RAILS[rail]
        ipam = {"type": "rail-ipam", "fabric": fabric, "rail": name}
        return _device("rail-sriov", name, device, ipam)

    runtime = MachineRuntime(node, state, (OURS, THEIRS), environ=environ)
    return Side("rail-sriov, agent", runtime, config)


def theirs(node: Node, release: Release, folder: Path) -> Side:
    """Return the side of host-device, with addresses of this node alone."""
    store = folder / f"host-local-{release.version}"

    def config(rail: int, device: str) -> dict[str, Any]:
        _, name, subnet = RAILS[rail]
        ipam = {"type": "host-local", "subnet": subnet, "dataDir": str(store)}
        return _device("host-device", name, device, ipam)

    return Side(release.pair, MachineRuntime(node, folder, (release.folder,)), config)


def _device(plugin: str, name: str, device: str, ipam: dict[str, str]) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", "name": name, "type": plugin, "device": device, "ipam": ipam}


class Pod:
    """A pod with devices of its own; it may come and go again and again.

    Args:
        side: what attaches the devices.
        node: where.
        rails: how many, one request after the other.
    """

    def __init__(self, side: Side, node: Node, rails: int = 1) -> None:
        self._side = side
        self._netns = node.pod().path
        self._configs = [side.config(rail, node.device()) for rail in range(rails)]
        self._attached: list[tuple[dict[str, Any], Slot]] = []
        self.problems: list[str] = []

    def attach(self) -> None:
        """ADD, unless it is attached: to a container that no plugin has seen before."""
        if self._attached:
            return
        container = f"bench-{next(_containers)}"
        for number, config in enumerate(self._configs, 1):
            request = (config, Slot(self._netns, container, f"net{number}"))
            self._attached.append(request)
            self._call("ADD", *request)

    def detach(self) -> None:
        """DEL, unless it is detached."""
        while self._attached:
            self._call("DEL", *self._attached.pop())

    def delete_again(self) -> None:
        """DEL of what was never there: an agent has hardly anything to do."""
        self._call("DEL", self._configs[0], Slot(self._netns, "never-there"))

    def _call(self, command: str, config: dict[str, Any], slot: Slot) -> None:
        reply = self._side.runtime.call(command, config, slot)
        if reply.exit_code:
            self.problems.append(f"{self._side.name}: {command} of {slot.container}: {reply.error}")


def detach(pods: Sequence[Pod]) -> None:
    """Detach those that are attached, and let what that has begun end."""
    for pod in pods:
        pod.detach()
    time.sleep(_SETTLING)


def attach(pods: Sequence[Pod]) -> None:
    """Attach those that are detached, and let what that has begun end."""
    for pod in pods:
        pod.attach()
    time.sleep(_SETTLING)
