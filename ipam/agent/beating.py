"""The node's heartbeat: by it others know that its name and its journal are in use."""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from ipam.agent.condition import SETBACKS, Condition
from ipam.agent.upkeep import Using
from ipam.etcd.errors import EtcdError
from ipam.etcd.interface import Etcd, Get, Keys
from ipam.node_file import Etcd as Where
from ipam.registry.heartbeat import LEASE, Heartbeat
from ipam.registry.interface import Node
from ipam.registry.keys import Layout
from ipam.wiring import Wiring

PERIOD = LEASE / 3
"""Seconds between beats."""
_GOODBYE = 2.0
"""Seconds that the last word may take."""


@dataclass(frozen=True, slots=True)
class _Session:
    """The heartbeat of one journal, over one connection, which stays open as long as it beats."""

    node: Node
    wiring: Wiring
    heartbeat: Heartbeat
    within: float
    opened: ExitStack

    def end(self) -> None:
        with self.opened, suppress(EtcdError):  # then its lease ends by itself
            self.heartbeat.end(min(self.within, _GOODBYE))


class Beating:
    """The heartbeat of this node, whatever becomes of its node file and its journal.

    Args:
        using: uses the node's parts.
    """

    def __init__(self, using: Using) -> None:
        self._using = using
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._closed = False
        self.condition = Condition("this node has no heartbeat", "this node has a heartbeat again")

    def run(self) -> None:
        """Beat once, where the node file names an etcd and there is a journal."""
        with self._lock:
            if self._closed:
                return
            try:
                self._beat()
            except SETBACKS as setback:
                self.condition.break_off(setback)
            else:
                self.condition.keep()

    def close(self) -> None:
        """Say that the node stops."""
        with self._lock:
            self._closed = True
            self._end()

    def _beat(self) -> None:
        with ExitStack() as opened:
            wiring = opened.enter_context(self._using())
            file = wiring.node_file
            if file is None or file.etcd is None:
                self._end()
                return
            client = opened.enter_context(wiring.connected(file.etcd.settings))
            if not wiring.paths.journal.exists():
                self._end()
                _ask(client, file.node, file.etcd)
                return
            node = wiring.identify(file, _journal_id(wiring))
            session = self._session
            if session is None or session.wiring is not wiring or session.node != node:
                self._succeed(node)
                heartbeat = Heartbeat(client, Layout(file.etcd.prefix), node)
                within = _within(file.etcd)
                session = _Session(node, wiring, heartbeat, within, opened.pop_all())
                self._session = session
            session.heartbeat.beat(session.within)

    def _succeed(self, node: Node) -> None:
        """Make room for another session; one of the same node takes its heartbeat over."""
        if self._session and self._session.node == node:
            self._session.opened.close()
            self._session = None
        self._end()

    def _end(self) -> None:
        session, self._session = self._session, None
        if session:
            session.end()


def _journal_id(wiring: Wiring) -> str:
    with wiring.journal() as journal, journal.rehearsal() as tx:
        return tx.blocks.session().journal_id


def _ask(client: Etcd, node: str, where: Where) -> None:
    """Learn whether etcd answers, before the first pod needs it."""
    client.get(Get(Keys(Layout(where.prefix).heartbeat(node))), _within(where))


def _within(where: Where) -> float:
    return min(where.timeout, PERIOD)
