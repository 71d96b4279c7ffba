"""The nodes that the scenarios run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.hostgw.air import Air
from tests.scenario.hostgw.proving import is_direct, proving
from tests.scenario.hostgw.worlds import LinuxWorld, MemoryWorld, World


@pytest.fixture(
    params=[
        pytest.param(LinuxWorld, id="linux", marks=pytest.mark.netns),
        pytest.param(MemoryWorld, id="memory"),
    ]
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A node with two peers that are there: the running kernel's, and one in memory."""
    made: World = request.param(tmp_path)
    try:
        made.begin()
        yield made
    finally:
        made.close()


@pytest.fixture
def radio(world: World) -> World:
    """The same with a wireless uplink."""
    world.be_wireless()
    return world


@pytest.fixture
def memory(tmp_path: Path) -> MemoryWorld:
    """A node in memory with a wireless uplink."""
    made = MemoryWorld(tmp_path)
    made.begin()
    made.be_wireless()
    return made


@pytest.fixture
def air(tmp_path: Path) -> Air:
    """Two nodes that have proven their paths."""
    air = proving(tmp_path)
    air.pass_time(10)
    assert all(is_direct(air, station) for station in air.stations)
    return air
