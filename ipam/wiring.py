"""What rail-ipam is made of on this node: its files, its registry, its identity."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.protocol.errors import CniError, Code

if TYPE_CHECKING:
    from ipam.blocks import Session
    from ipam.definition import Definition
    from ipam.etcd.interface import Etcd as Store
    from ipam.etcd.settings import Settings
    from ipam.holding.desk import Connection, Desk
    from ipam.journal.file import Journal, KeptJournal
    from ipam.journal.transaction import Moment
    from ipam.node_file import Etcd, NodeFile
    from ipam.registry.interface import Node


@cache  # no process outlives its boot
def read_boot_id() -> str:
    """Return what distinguishes this boot of the node from all others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def read_clock() -> int:
    """Return CLOCK_BOOTTIME in nanoseconds: it counts suspended time too and is never set."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def connect(settings: Settings) -> Store:
    """Return a client of etcd, which connects when it is first asked."""
    from ipam.etcd.client import EtcdClient

    return EtcdClient(settings)


@dataclass(frozen=True)
class Wiring:
    """The parts of one node; each is made when it is asked for.

    Args:
        paths: the node's files.
        boot_id: tells the boot's identity.
        clock: tells the time since the boot, in nanoseconds.
        sys: where sysfs is, which tells the hardware's identity.
        connect: makes a client of etcd.
        keep_open: the journal and the connection to etcd stay open from one request to the next,
            until `close`: for a process that serves many.
    """

    paths: Paths
    boot_id: Callable[[], str] = read_boot_id
    clock: Callable[[], int] = read_clock
    sys: Path = Path("/sys")
    connect: Callable[[Settings], Store] = connect
    keep_open: bool = False
    _opening: threading.Lock = field(default_factory=threading.Lock, init=False, compare=False)

    def __post_init__(self) -> None:
        if self.keep_open:  # before threads ask for them: each must get the same
            _ = self._kept, self._clients

    @cached_property
    def node_file(self) -> NodeFile | None:
        """The node file, None where there is none (CniError, code 7)."""
        if not self.paths.node_file.exists():
            return None  # and its models need not be imported
        from ipam.node_file import load

        return load(self.paths.node_file)

    @cached_property
    def locks(self) -> Locks:
        """The node's lock files."""
        return Locks(self.paths.locks)

    def now(self) -> Moment:
        """Return the time."""
        from ipam.journal.transaction import Moment

        return Moment(self.boot_id(), self.clock())

    def journal(self) -> AbstractContextManager[Journal]:
        """Open the journal."""
        from ipam.journal.file import open_journal

        if self.keep_open:
            return self._kept.open()
        return open_journal(self.paths.journal, self.locks)

    def close(self) -> None:
        """Close what was kept open; what needs it again opens it again."""
        self._kept.close()
        while self._clients:
            self._clients.popitem()[1].close()

    @cached_property
    def _kept(self) -> KeptJournal:
        from ipam.journal.file import KeptJournal

        return KeptJournal(self.paths.journal, self.locks)

    @cached_property
    def _clients(self) -> dict[Settings, Store]:
        return {}

    @cached_property
    def local_desk(self) -> Desk:
        """Where this node deals with itself, over fabrics that are all its own."""
        from ipam.holding.desk import Desk

        return Desk(self.journal, self.locks.registry, _connect_local, {}, self.now)

    @cached_property
    def shared_desk(self) -> Desk:
        """Where this node deals with etcd; without one, there are no shared fabrics."""
        from ipam.holding.desk import Desk

        file = self.node_file
        if file is None or file.etcd is None:
            return self.local_desk
        shared = {
            name: definition
            for name, definition in file.definitions.items()
            if file.is_shared(name)
        }
        connect = partial(self._connect_etcd, file, file.etcd, shared)
        return Desk(self.journal, self.locks.registry, connect, shared, self.now, file.etcd.timeout)

    @contextmanager
    def _connect_etcd(
        self,
        file: NodeFile,
        etcd: Etcd,
        shared: Mapping[str, Definition],
        session: Session,
        seconds: float,
    ) -> Iterator[Connection]:
        from ipam.holding.desk import Connection
        from ipam.registry.deadline import Deadline
        from ipam.registry.etcd import EtcdRegistry

        deadline = Deadline(seconds)
        node = self.identify(file, session.journal_id)
        with self.connected(etcd.settings) as client:
            registry = EtcdRegistry(client, etcd.prefix, shared, node, session, deadline)
            yield Connection(registry, registry.singles)

    @contextmanager
    def connected(self, settings: Settings) -> Iterator[Store]:
        """Use a client of etcd: one that stays open, where what is used stays open."""
        if not self.keep_open:
            with closing(self.connect(settings)) as client:
                yield client
            return
        with self._opening:
            client = self._clients.get(settings) or self.connect(settings)
            self._clients[settings] = client
        yield client

    def identify(self, file: NodeFile, journal_id: str) -> Node:
        """Return who this machine is to others, with its present journal.

        Raises:
            CniError: code 11, when another machine began the journal, which is put aside.
        """
        from ipam.identity import hardware_identity
        from ipam.journal.file import put_aside
        from ipam.registry.interface import Node

        hardware = hardware_identity(self.sys, file.node_id)
        with self.journal() as journal, journal.transaction(synced=True) as tx:
            former, same = tx.blocks.identify(file.node, hardware, self.boot_id())
        if same:
            return Node(file.node, former, self.boot_id(), journal_id)
        aside = put_aside(self.paths.journal, self.locks, self._kept.close)
        raise CniError(
            Code.TRY_AGAIN,
            f"{self.paths.journal} was begun on another machine: its hardware is {former}, and "
            f"this one's is {hardware}",
            f"it was moved to {aside}, and the next request begins a new one; machines that are "
            "cloned must not have each other's state",
        )


@contextmanager
def _connect_local(session: Session, seconds: float) -> Iterator[Connection]:
    from ipam.holding.desk import Connection
    from ipam.registry.local import LocalRegistry

    del session, seconds
    yield Connection(LocalRegistry(), None)
