"""The stores that the contract is tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count

import pytest

from ipam.etcd.client import EtcdClient
from ipam.etcd.interface import Etcd
from tests.contract.etcd.worlds import EtcdWorld, MemoryWorld, World
from tests.etcd.cluster import Cluster
from tests.etcd.given import release
from tests.etcd.releases import NAMES

_NUMBERS = count()
_LOOK_ABOUT = 0.5
"""Seconds; who waits for nothing to happen need not wait long."""


_REAL = [pytest.param(name, marks=pytest.mark.etcd) for name in NAMES]


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], EtcdWorld]]:
    """Start each release when it is first asked for."""
    with ExitStack() as undo, pytest.MonkeyPatch.context() as patch:
        patch.setattr("ipam.etcd.watch._LOOK_ABOUT", _LOOK_ABOUT)
        started: dict[str, EtcdWorld] = {}

        def start(name: str) -> EtcdWorld:
            if name not in started:
                folder = tmp_path_factory.mktemp(f"etcd-{name}-")
                cluster = undo.enter_context(Cluster(release(name), folder))
                client = EtcdClient(cluster.settings(attempt=5))
                started[name] = EtcdWorld(cluster, undo.enter_context(closing(client)))
            return started[name]

        yield start


@pytest.fixture(params=["memory", *_REAL])
def world(request: pytest.FixtureRequest, worlds: Callable[[str], EtcdWorld]) -> World:
    """Each of the worlds."""
    return MemoryWorld() if request.param == "memory" else worlds(request.param)


@pytest.fixture
def etcd(world: World) -> Etcd:
    """The store."""
    return world.store


@pytest.fixture
def at() -> str:
    """A prefix that no other test has."""
    return f"/{next(_NUMBERS)}/"
