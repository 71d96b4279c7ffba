"""The nodes that the agent runs on, and the agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cni.rail import detach
from tests.scenario.agent.attendant import Attendant
from tests.scenario.rail.worlds import LinuxWorld, MemoryWorld, World


@pytest.fixture(
    params=[
        pytest.param(LinuxWorld, id="linux", marks=pytest.mark.netns),
        pytest.param(MemoryWorld, id="memory"),
    ]
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A node: the running kernel's, and one in memory."""
    made: World = request.param(tmp_path)
    yield made
    made.close()


@pytest.fixture
def memory(tmp_path: Path) -> MemoryWorld:
    """A node in memory."""
    return MemoryWorld(tmp_path)


@pytest.fixture
def agent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Attendant:
    """The agent on the node of the test."""
    monkeypatch.setattr(detach, "_RETURN_PATIENCE", 0.05)
    name = "world" if "world" in request.fixturenames else "memory"
    return Attendant(request.getfixturevalue(name))
