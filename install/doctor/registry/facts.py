"""What there is of the registry, before anybody judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from ipam.registry.records import NodeRecord


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of etcd's client URLs, asked by itself."""

    url: str
    problem: str = ""
    """Why it does not answer."""
    seconds: float = 0.0
    """Until it was connected, TLS included."""
    certificate_ends: datetime | None = None
    offset: float | None = None
    """Seconds that its clock is ahead of this node's."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A file of ours."""

    role: str
    """The node file's key: `ca` or `certificate`."""
    file: str
    ends: datetime | None = None
    problem: str = ""
    """Why its end is not known."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    now: datetime
    node: str
    """This node's name, by the node file."""
    hardware: str
    """Its identity; empty where nothing tells it."""
    boot: str
    prefix: str
    hardware_problem: str = ""
    hardware_cure: str = ""
    endpoints: Sequence[Endpoint] = ()
    certificates: Sequence[Certificate] = ()
    seconds: float | None = None
    """That a read takes; None where none came back."""
    read_problem: str = ""
    write_problem: str | None = None
    """Why it may not write; None when that was not tried."""
    frozen: str = ""
    """Why no block may be claimed; empty where blocks may."""
    nodes: Mapping[str, NodeRecord] = field(default_factory=dict)
    heartbeats: Mapping[str, NodeRecord] = field(default_factory=dict)
    unreadable: Sequence[str] = ()
    """Values in etcd that are none of ours."""
