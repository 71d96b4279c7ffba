"""What becomes of writes and watches while members come and go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from ipam.etcd.client import EtcdClient
from ipam.etcd.errors import CompactedError, UnavailableError
from ipam.etcd.interface import Done, Event, Get, Keys, Put, Txn, absent, value_is
from ipam.etcd.settings import Settings
from tests.etcd.cluster import PREFIX, Cluster, Shape
from tests.etcd.conftest import Connect, Start
from tests.etcd.given import WITHIN, collect, entry, events, put, revision
from tests.etcd.member import Member
from tests.etcd.releases import NAMES

pytestmark = pytest.mark.etcd
BELOW = Keys.below(PREFIX)
LONG = 30.0
"""Seconds: for what needs an election on a busy machine."""


class Follower(threading.Thread):
    """Watches `PREFIX` until so many events have come."""

    def __init__(self, connect: Connect, settings: Settings, count: int) -> None:
        super().__init__(daemon=True)
        self.found: list[Event] = []
        self._etcd, self._count = connect(settings), count
        self._after = revision(self._etcd)
        self.start()

    def run(self) -> None:
        with self._etcd.watch(BELOW, self._after) as batches:
            self.found = collect(batches, self._count)

    def keys(self) -> list[str]:
        """Return the keys of all events."""
        self.join(LONG * 2)
        return [one.entry.key for one in self.found]


def freeze(_: Cluster, member: Member) -> Callable[[], None]:
    member.freeze()
    return member.thaw


def kill(cluster: Cluster, member: Member) -> Callable[[], None]:
    member.kill()
    return lambda: cluster.start(member)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("disturb", [freeze, kill])
def test_nothing_is_lost_or_repeated_while_any_member_is_away(
    name: str,
    disturb: Callable[[Cluster, Member], Callable[[], None]],
    start: Start,
    connect: Connect,
) -> None:
    """Each member is away once, the leader and the one that the client is on among them."""
    cluster = start(name, Shape(3))
    settings = cluster.settings(attempt=0.3)
    writer, wanted = connect(settings), [f"{PREFIX}{number}" for number in range(30)]
    follower = Follower(connect, settings, len(wanted))
    for number, key in enumerate(wanted):
        if number % 10 == 2:
            undo = disturb(cluster, cluster.members[number // 10])
        claim(writer, key)
        if number % 10 == 8:
            undo()
            cluster.start()
    assert follower.keys() == wanted
    assert writer.get(Get(BELOW, count_only=True), LONG).found.count == len(wanted)


def claim(writer: EtcdClient, key: str) -> None:
    """Claim a key; an earlier attempt of our own may have done so."""
    own = Txn((value_is(key, b"mine"),))
    done = writer.txn(Txn((absent(key),), (Put(key, b"mine"),), (own,)), LONG).done
    nested = done.answers[0]
    assert done.succeeded or (isinstance(nested, Done) and nested.succeeded)


@pytest.mark.parametrize("name", NAMES)
def test_a_watch_goes_on_when_its_only_server_restarts(
    name: str, start: Start, connect: Connect
) -> None:
    cluster = start(name, Shape())
    settings = cluster.settings(attempt=0.3)
    writer, wanted = connect(settings), [f"{PREFIX}{number}" for number in range(9)]
    follower = Follower(connect, settings, len(wanted))
    for number, key in enumerate(wanted):
        put(writer, key)
        # 3.6 waits 7 s for the streams of its clients before it stops.
        if number == 3 and name != "3.6":
            cluster.stop()
            cluster.start()
        elif number == 6:
            cluster.members[0].kill()
            cluster.start()
    assert follower.keys() == wanted


def test_a_dead_endpoint_is_passed_over(start: Start, connect: Connect) -> None:
    cluster = start("3.5", Shape())
    dead = ("http://127.0.0.1:1", "http://[::1]:1")
    settings = cluster.settings()
    for endpoints in ((*dead, *settings.endpoints), (*settings.endpoints, *dead)):
        client = connect(replace(settings, endpoints=endpoints))
        for _ in range(3):
            put(client, PREFIX)


def test_all_endpoints_that_are_down_are_named(start: Start, connect: Connect) -> None:
    cluster = start("3.5", Shape(3))
    client = connect(cluster.settings(attempt=0.2))
    put(client, PREFIX)
    cluster.members[0].freeze()
    cluster.members[1].kill()
    cluster.members[2].kill()
    with pytest.raises(UnavailableError) as caught:
        client.get(Get(Keys(PREFIX)), 3)
    assert sorted(caught.value.tried) == sorted(cluster.endpoints())
    assert all(endpoint in str(caught.value) for endpoint in cluster.endpoints())


def test_a_minority_answers_what_needs_no_quorum(start: Start, connect: Connect) -> None:
    cluster = start("3.5", Shape(3))
    put(connect(cluster.settings()), PREFIX, b"1")
    left = replace(cluster.settings(), endpoints=cluster.endpoints()[:1])
    for member in cluster.members[1:]:
        member.kill()
    client = connect(left)
    found = client.get(Get(Keys(PREFIX), serializable=True), WITHIN).found
    assert [one.value for one in found.entries] == [b"1"]
    with pytest.raises(UnavailableError):
        client.get(Get(Keys(PREFIX)), 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_watch_that_compaction_overtook_says_so(
    name: str, start: Start, connect: Connect
) -> None:
    """While the follower cannot reach the one member that it knows, the others go on."""
    cluster = start(name, Shape(3))
    away = cluster.follower()
    place = cluster.members.index(away)
    only = replace(cluster.settings(), endpoints=(cluster.endpoints()[place],))
    others = tuple(one for one in cluster.endpoints() if one not in only.endpoints)
    writer, client = connect(replace(cluster.settings(), endpoints=others)), connect(only)
    with client.watch(BELOW, put(writer, PREFIX) - 1) as batches:
        assert len(collect(batches, 1)) == 1
        away.kill()
        last = [put(writer, PREFIX) for _ in range(3)][-1]
        cluster.compact(last)
        cluster.start(away)
        with pytest.raises(CompactedError):
            collect(batches, 1)
    assert len(events(client, BELOW, put(writer, PREFIX) - 1, 1)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_backup_sets_the_revision_back(
    name: str, start: Start, connect: Connect
) -> None:
    cluster = start(name, Shape(3))
    client = connect(cluster.settings(attempt=1))
    first = put(client, PREFIX, b"kept")
    backup = cluster.backup()
    put(client, f"{PREFIX}lost")
    cluster.restore(backup)
    listing = client.get(Get(BELOW), LONG)
    assert listing.revision == first
    assert [one.value for one in listing.found.entries] == [b"kept"]
    assert put(client, PREFIX) == first + 1
    assert entry(client, f"{PREFIX}lost") is None
