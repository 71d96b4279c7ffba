"""The facts of the registry, as this node reaches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cni.protocol.errors import CniError
from install.doctor.registry.certificates import ends
from install.doctor.registry.facts import Certificate, Endpoint, Facts
from ipam.etcd.errors import EtcdError, UnavailableError
from ipam.etcd.interface import Etcd, Get, Keys, Put, Txn, absent, present
from ipam.etcd.settings import Settings
from ipam.identity import hardware_identity
from ipam.node_file import Etcd as Where
from ipam.node_file import NodeFile
from ipam.registry.deadline import Deadline
from ipam.registry.keys import Layout
from ipam.registry.overview import Overview, Pace, Stored
from ipam.registry.records import FrozenRecord, NodeRecord, RecordError

_WHOLE = 20.0
"""Seconds that all of it may take."""


@dataclass(frozen=True, slots=True)
class Node:
    """What the registry is looked at by; tests put fakes here."""

    connect: Callable[[Settings], Etcd]
    endpoints: Callable[[Settings], Sequence[Endpoint]]
    """Asks each of etcd's members by itself."""
    boot: str
    sys: Path = Path("/sys")


def gather(node: Node, file: NodeFile, where: Where) -> Facts:
    """Look at the registry; nothing in it is changed."""
    facts = Facts(datetime.now(UTC), file.node, "", node.boot, where.prefix)
    try:
        facts = replace(facts, hardware=hardware_identity(node.sys, file.node_id))
    except CniError as error:
        facts = replace(facts, hardware_problem=error.msg, hardware_cure=error.details)
    facts = replace(
        facts,
        endpoints=node.endpoints(where.settings),
        certificates=list(_certificates(where.settings)),
    )
    with closing(node.connect(where.settings)) as etcd:
        pace = Pace(where.timeout, _WHOLE)
        try:
            facts = _read(etcd, Layout(where.prefix), pace, facts)
        except EtcdError as error:
            return replace(facts, read_problem=_said(error))
        return replace(facts, write_problem=_write_problem(etcd, where, pace))


def _read(etcd: Etcd, layout: Layout, pace: Deadline, facts: Facts) -> Facts:
    overview = Overview(etcd, layout, pace)
    census = overview.census()
    begun = time.monotonic()
    found = etcd.get(Get(Keys(layout.frozen)), pace.left()).found
    seconds = time.monotonic() - begun  # the first read had to connect
    return replace(
        facts,
        seconds=seconds,
        nodes=_records(census.nodes),
        heartbeats=_records(census.heartbeats),
        frozen=_frozen(layout, found.entries[0].value) if found.entries else "",
        unreadable=tuple(overview.unreadable),
    )


def _records(stored: Mapping[str, Stored[NodeRecord]]) -> dict[str, NodeRecord]:
    return {name: one.record for name, one in stored.items()}


def _frozen(layout: Layout, value: bytes) -> str:
    try:
        record = FrozenRecord.decode(layout.frozen, value)
    except RecordError as error:
        return str(error)
    return f"{record.reason} (by {record.node}, {record.since})"


def _write_problem(etcd: Etcd, where: Where, pace: Deadline) -> str:
    """Return why etcd would refuse a write, empty when it would not.

    etcd checks the rights of both branches of a transaction before it looks at its conditions;
    these contradict each other, so that nothing is ever put.
    """
    key = f"{where.prefix}doctor"
    try:
        etcd.txn(Txn((absent(key), present(key)), (Put(key, b""),)), pace.left())
    except EtcdError as error:
        return _said(error)
    return ""


def _certificates(settings: Settings) -> Iterator[Certificate]:
    for role, file in (("ca", settings.ca), ("certificate", settings.certificate)):
        if file is None:
            continue
        try:
            yield Certificate(role, str(file), ends(file.read_bytes()))
        except OSError as error:
            yield Certificate(role, str(file), None, f"it cannot be read: {error.strerror}")
        except ValueError as error:
            yield Certificate(role, str(file), None, str(error))


def _said(error: EtcdError) -> str:
    tried = ", ".join(error.tried) if isinstance(error, UnavailableError) else ""
    return f"{error}{f' (tried: {tried})' if tried else ''}"
