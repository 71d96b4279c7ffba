"""A sign of life that ends by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from ipam.etcd.interface import Get, Keys
from ipam.etcd.memory import MemoryEtcd
from ipam.registry.heartbeat import LEASE, Heartbeat
from ipam.registry.interface import DisagreementError, Node
from ipam.registry.keys import Layout
from ipam.registry.records import NodeRecord

LAYOUT = Layout("/railcni/")
NODE = Node("n1", "dmi:1", "boot-1", "journal-1")
WITHIN = 5.0


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def etcd(clock: Clock) -> MemoryEtcd:
    return MemoryEtcd(clock)


def alive(etcd: MemoryEtcd) -> NodeRecord | None:
    key = LAYOUT.heartbeat("n1")
    found = etcd.get(Get(Keys(key)), WITHIN).found
    return NodeRecord.decode(key, found.entries[0].value) if found.entries else None


def test_it_lives_as_long_as_it_beats(etcd: MemoryEtcd, clock: Clock) -> None:
    heartbeat = Heartbeat(etcd, LAYOUT, NODE)
    for _ in range(5):
        heartbeat.beat(WITHIN)
        clock.now += LEASE / 3
    record = alive(etcd)
    assert record
    assert (record.hardware, record.boot, record.journal) == ("dmi:1", "boot-1", "journal-1")
    clock.now += LEASE
    assert alive(etcd) is None


def test_it_begins_again_when_its_lease_has_ended(etcd: MemoryEtcd, clock: Clock) -> None:
    heartbeat = Heartbeat(etcd, LAYOUT, NODE)
    heartbeat.beat(WITHIN)
    clock.now += 2 * LEASE
    heartbeat.beat(WITHIN)
    assert alive(etcd)


def test_it_ends_when_the_node_says_so(etcd: MemoryEtcd) -> None:
    heartbeat = Heartbeat(etcd, LAYOUT, NODE)
    heartbeat.end(WITHIN)
    heartbeat.beat(WITHIN)
    heartbeat.end(WITHIN)
    assert alive(etcd) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(NODE, hardware="dmi:2"),
        replace(NODE, boot_id="boot-2"),
        replace(NODE, journal_id="journal-2"),
    ],
)
def test_another_session_of_the_name_is_refused(
    other: Node, etcd: MemoryEtcd, clock: Clock
) -> None:
    Heartbeat(etcd, LAYOUT, NODE).beat(WITHIN)
    newcomer = Heartbeat(etcd, LAYOUT, other)
    with pytest.raises(DisagreementError, match="another session beats as node n1: hardware dmi:1"):
        newcomer.beat(WITHIN)
    clock.now += LEASE
    newcomer.beat(WITHIN)
    record = alive(etcd)
    assert record
    assert record.journal == other.journal_id


def test_the_same_session_takes_its_own_heartbeat_over(etcd: MemoryEtcd, clock: Clock) -> None:
    Heartbeat(etcd, LAYOUT, NODE).beat(WITHIN)
    clock.now += LEASE / 2
    Heartbeat(etcd, LAYOUT, NODE).beat(WITHIN)
    clock.now += LEASE * 3 / 4
    assert alive(etcd)


def test_one_that_another_agent_of_the_session_has_ended_begins_again(
    etcd: MemoryEtcd, clock: Clock
) -> None:
    old, new = Heartbeat(etcd, LAYOUT, NODE), Heartbeat(etcd, LAYOUT, NODE)
    old.beat(WITHIN)
    new.beat(WITHIN)
    clock.now += 2 * LEASE  # etcd was away for longer than a lease
    new.beat(WITHIN)
    old.beat(WITHIN)
    old.end(WITHIN)  # the upgrade is over
    new.beat(WITHIN)
    assert alive(etcd)
