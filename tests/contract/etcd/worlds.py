"""Two worlds behind one interface: a running etcd, and the store in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from ipam.etcd.client import EtcdClient
from ipam.etcd.interface import Etcd
from ipam.etcd.memory import MemoryEtcd
from tests.etcd.cluster import Cluster

_PAUSE = 0.1
_LONGEST = 20


class World(Protocol):
    """What a test does besides asking the store: as an operator would, or time itself."""

    @property
    def store(self) -> Etcd: ...

    def compact(self, revision: int) -> None:
        """Forget what was before a revision."""
        ...

    def back_up(self) -> Callable[[], None]:
        """Make a backup; return what restores it."""
        ...

    def wait(self, seconds: int, condition: Callable[[], bool]) -> None:
        """Let a time pass, and wait for what it brings about."""
        ...


class MemoryWorld:
    """The world of `ipam.etcd.memory`."""

    def __init__(self) -> None:
        self._now = 0.0
        self._memory = MemoryEtcd(lambda: self._now, idle=0.1)
        self.store: Etcd = self._memory

    def compact(self, revision: int) -> None:
        self._memory.compact(revision)

    def back_up(self) -> Callable[[], None]:
        backup = self._memory.backup()
        return lambda: self._memory.restore(backup)

    def wait(self, seconds: int, condition: Callable[[], bool]) -> None:
        self._now += seconds
        assert condition()


class EtcdWorld:
    """A running etcd, asked by our client."""

    def __init__(self, cluster: Cluster, client: EtcdClient) -> None:
        self._cluster = cluster
        self.store: Etcd = client

    def compact(self, revision: int) -> None:
        self._cluster.compact(revision)

    def back_up(self) -> Callable[[], None]:
        backup = self._cluster.backup()
        return lambda: self._cluster.restore(backup)

    def wait(self, seconds: int, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + seconds + _LONGEST
        while not condition():
            assert time.monotonic() < until
            time.sleep(_PAUSE)
