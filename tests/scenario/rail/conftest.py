"""The nodes that the scenarios run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
