"""A cluster in memory, and railctl on its nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from install.railctl.ipam import namespaces
from ipam.etcd.memory import MemoryEtcd
from tests.scenario.registry.worlds import Node, World


@pytest.fixture
def patch(monkeypatch: pytest.MonkeyPatch) -> Callable[[Node], None]:
    """Let railctl run on one of the nodes."""

    def run_on(node: Node) -> None:
        monkeypatch.setattr("ipam.wiring.Wiring", lambda paths: node.wiring)  # noqa: ARG005
        monkeypatch.setattr(namespaces, "running_kernel", lambda: node.kernel)

    return run_on


@pytest.fixture
def world(tmp_path: Path, patch: Callable[[Node], None]) -> World:
    return World(tmp_path, MemoryEtcd(), patch)


@pytest.fixture
def pair(world: World) -> tuple[Node, Node]:
    """Two nodes with a pod each, of which the registry knows."""
    nodes = world.node("gpu-1"), world.node("gpu-2")
    for number, node in enumerate(nodes, start=1):
        node.add(f"container-{number}")
        node.tell()
    return nodes
