"""The kernels that the contract is tested on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cni.kernel.functions import VirtualFunction
from cni.kernel.interface import Namespace
from cni.kernel.types import Link
from tests.contract.kernel.worlds import FakeWorld, LinuxWorld, World, get


@pytest.fixture
def linux() -> Iterator[LinuxWorld]:
    """The running kernel; everything made in it is gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with ExitStack() as undo:
        yield LinuxWorld(undo)


# The laboratory is there for its kernel.
_WORLDS = [] if os.environ.get("RAILCNI_LAB") else ["fake"]


@pytest.fixture(params=[*_WORLDS, pytest.param("linux", marks=pytest.mark.netns)])
def world(request: pytest.FixtureRequest) -> World:
    """Each of the two worlds."""
    if request.param == "fake":
        return FakeWorld()
    world: World = request.getfixturevalue("linux")
    return world


@pytest.fixture
def pod(world: World) -> Iterator[Namespace]:
    """An empty namespace, open."""
    with world.kernel.open(world.namespace()) as namespace:
        yield namespace


@pytest.fixture
def pair(world: World, pod: Namespace) -> tuple[Link, Link]:
    """A veth pair in the pod, both ends down."""
    name, peer = world.veth(pod.path)
    return get(pod, name), get(pod, peer)


@pytest.fixture
def link(pair: tuple[Link, Link]) -> Link:
    """One end of that pair."""
    return pair[0]


@pytest.fixture
def up(pod: Namespace, pair: tuple[Link, Link]) -> Link:
    """One end of that pair, both up and with carrier."""
    for end in pair:
        pod.set_up(end.index)
    assert pod.wait_for_carrier(pair[0].index, 2)
    return get(pod, pair[0].name)


@pytest.fixture
def vf(world: World) -> VirtualFunction:
    """The first of two fresh VFs; its PF is up."""
    return world.plug_vfs()


@pytest.fixture
def pf(world: World, vf: VirtualFunction) -> int:
    """The index of the PF's link."""
    return get(world.kernel.host, vf.pf_netdev).index
