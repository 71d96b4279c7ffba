"""The registries that the contract is tested on, each as several nodes see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from ipaddress import ip_network
from itertools import count

import pytest

from ipam.blocks import Session
from ipam.definition import define
from ipam.etcd.client import EtcdClient
from ipam.etcd.interface import Etcd
from ipam.etcd.memory import MemoryEtcd
from ipam.registry.deadline import Deadline
from ipam.registry.etcd import EtcdRegistry
from ipam.registry.interface import Node, Registry
from ipam.registry.local import LocalRegistry
from tests.etcd.cluster import Cluster
from tests.etcd.given import release
from tests.etcd.releases import NAMES

FABRIC = "backend"
_NUMBERS = count()
_REAL = [pytest.param(name, marks=pytest.mark.etcd) for name in NAMES]


class Nodes:
    """Nodes with one store; each has a session that lasts."""

    def __init__(self, etcd: Etcd) -> None:
        self.etcd = etcd
        self.prefix = f"/registry-{next(_NUMBERS)}/"
        self.sessions: dict[str, Session] = {}
        rails = {"a": (ip_network("10.60.0.0/26"),)}
        self.definitions = {FABRIC: define(FABRIC, rails, block_size=4)}

    def open(self, name: str = "one", journal: str = "", boot: str = "boot-1") -> EtcdRegistry:
        """Return the registry as a node has it for one request."""
        journal = journal or f"journal-of-{name}"
        session = self.sessions.setdefault(journal, Session(journal))
        node = Node(name, f"id:{name}", boot, journal)
        return EtcdRegistry(self.etcd, self.prefix, self.definitions, node, session, Deadline(30.0))


@pytest.fixture(scope="session")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Etcd]]:
    """Start each release when it is first asked for."""
    with ExitStack() as undo:

        @cache
        def start(name: str) -> Etcd:
            folder = tmp_path_factory.mktemp(f"etcd-{name}-")
            cluster = undo.enter_context(Cluster(release(name), folder))
            return undo.enter_context(closing(EtcdClient(cluster.settings(attempt=5))))

        yield start


@pytest.fixture(params=["memory", *_REAL])
def nodes(request: pytest.FixtureRequest, stores: Callable[[str], Etcd]) -> Nodes:
    """Nodes of a cluster."""
    return Nodes(MemoryEtcd() if request.param == "memory" else stores(request.param))


@pytest.fixture(params=["local", "memory", *_REAL])
def registry(request: pytest.FixtureRequest, stores: Callable[[str], Etcd]) -> Registry:
    """Each registry, as one node sees it that has joined."""
    if request.param == "local":
        return LocalRegistry()
    etcd = MemoryEtcd() if request.param == "memory" else stores(request.param)
    opened = Nodes(etcd).open()
    opened.join([FABRIC], [])
    return opened
