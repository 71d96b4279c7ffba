"""Marks that expire: the table, and what is marked in it."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import ip_network

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.marking import Marking
from tests.contract.kernel.worlds import World, refuses

TABLE = "rail-test"
OWN, OWN6 = ip_network("10.42.0.0/24"), ip_network("fd00:42::/64")
SIZES = frozenset({(4, 24), (4, 32), (6, 64), (6, 60)})
MARKING = Marking(TABLE, 0x40, SIZES, frozenset({OWN, OWN6}))
PEER, PEER6 = ip_network("10.42.1.0/24"), ip_network("fd00:42:0:1::/64")
HOST, WIDE6 = ip_network("10.42.2.7/32"), ip_network("fd00:43:0:10::/60")
ALL = [PEER, PEER6, HOST, WIDE6]
UNFIT = ip_network("10.42.0.0/22")


@pytest.fixture
def table(pod: Namespace) -> str:
    """A table that marks nothing yet."""
    pod.set_marking(MARKING)
    return TABLE


def test_a_namespace_without_a_table(pod: Namespace) -> None:
    assert not pod.has_marking(MARKING)
    assert pod.marked(TABLE) == {}
    refuses(errno.ENOENT, lambda: pod.mark(TABLE, {PEER: 5}))
    pod.unmark(TABLE, ALL)
    pod.remove_marking(TABLE)
    pod.mark(TABLE, {})


def test_a_table_is_recognised(pod: Namespace, table: str) -> None:
    assert pod.has_marking(MARKING)
    for other in (
        replace(MARKING, mark=0x80),
        replace(MARKING, table="rail-other"),
        replace(MARKING, sizes=MARKING.sizes - {(4, 32)}),
        replace(MARKING, sizes=MARKING.sizes | {(6, 48)}),
        replace(MARKING, sizes=frozenset({(4, 24), (4, 32)})),
        replace(MARKING, sources=frozenset()),
        replace(MARKING, sources=frozenset({OWN})),
        replace(MARKING, sources=MARKING.sources | {ip_network("10.43.0.7/32")}),
        replace(MARKING, sources=frozenset({OWN, ip_network("fd00:42::/63")})),
        replace(MARKING, sources=frozenset({OWN6, ip_network("10.42.1.0/24")})),
    ):
        assert not pod.has_marking(other)
        pod.set_marking(other)
        assert pod.has_marking(other)
        assert pod.has_marking(MARKING) is (other.table != TABLE)
        pod.set_marking(MARKING)

    pod.mark(table, {PEER: 5, PEER6: 5})
    assert pod.has_marking(MARKING)


def test_sources_of_a_version_without_a_set_are_nowhere(pod: Namespace) -> None:
    narrow = replace(MARKING, sizes=frozenset({(4, 24)}))
    pod.set_marking(narrow)

    assert pod.has_marking(replace(narrow, sources=frozenset({OWN})))
    assert not pod.has_marking(replace(narrow, sources=frozenset({OWN6})))


def test_rules_that_somebody_removed_are_missed(world: World, pod: Namespace, table: str) -> None:
    pod.mark(table, {PEER: 5})
    world.flush_marking(table, pod.path)
    assert not pod.has_marking(MARKING)
    assert pod.marked(table).keys() == {PEER}

    pod.set_marking(MARKING)
    assert pod.has_marking(MARKING)
    assert pod.marked(table) == {}


def test_a_table_that_is_replaced_has_lost_what_it_has_no_set_for(
    pod: Namespace, table: str
) -> None:
    pod.mark(table, dict.fromkeys(ALL, 5))
    narrow = replace(MARKING, sizes=frozenset({(4, 24)}))
    pod.set_marking(narrow)

    assert pod.has_marking(narrow)
    assert pod.marked(table) == {}
    refuses(errno.ENOENT, lambda: pod.mark(table, {PEER6: 5}))
    pod.mark(table, {PEER: 5})


def test_a_table_that_is_removed(pod: Namespace, table: str) -> None:
    pod.mark(table, dict.fromkeys(ALL, 5))
    pod.set_marking(replace(MARKING, table="rail-other"))
    pod.remove_marking(table)

    assert not pod.has_marking(MARKING)
    assert pod.marked(table) == {}
    assert pod.has_marking(replace(MARKING, table="rail-other"))


def test_what_is_marked_and_for_how_long(pod: Namespace, table: str) -> None:
    pod.mark(table, {PEER: 5, HOST: 9, PEER6: 1.5, WIDE6: 3600})

    marked = pod.marked(table)
    assert marked.keys() == set(ALL)
    for network, seconds in ((PEER, 5), (HOST, 9), (PEER6, 1.5), (WIDE6, 3600)):
        assert seconds - 0.9 < marked[network] <= seconds


def test_a_mark_expires_by_itself(world: World, pod: Namespace, table: str) -> None:
    pod.mark(table, {PEER: 0.1, PEER6: 0.1, HOST: 30})
    world.pass_time(0.2)

    assert pod.marked(table).keys() == {HOST}


@pytest.mark.parametrize("seconds", [1, 4, 40])
def test_a_mark_is_renewed_for_longer_or_shorter(
    pod: Namespace, table: str, seconds: float
) -> None:
    pod.mark(table, {PEER: 4, PEER6: 4})
    pod.mark(table, {PEER: seconds, HOST: 4})

    marked = pod.marked(table)
    assert seconds - 0.9 < marked[PEER] <= seconds
    assert marked.keys() == {PEER, PEER6, HOST}


def test_a_mark_that_is_renewed_again_and_again_holds(
    world: World, pod: Namespace, table: str
) -> None:
    for _ in range(8):
        pod.mark(table, {PEER: 0.5})
        world.pass_time(0.1)
        assert PEER in pod.marked(table)
    world.pass_time(0.5)
    pod.mark(table, {PEER: 5})  # one that has expired, and that the kernel may still have

    assert 4 < pod.marked(table)[PEER] <= 5


@pytest.mark.parametrize("seconds", [0, -1, 0.001])
def test_no_mark_is_for_ever(world: World, pod: Namespace, table: str, seconds: float) -> None:
    pod.mark(table, {PEER: seconds})
    world.pass_time(0.1)

    assert pod.marked(table) == {}


def test_what_is_unmarked(pod: Namespace, table: str) -> None:
    pod.mark(table, dict.fromkeys(ALL, 5))
    pod.unmark(table, [PEER, PEER6, ip_network("10.42.9.0/24"), UNFIT])
    assert pod.marked(table).keys() == {HOST, WIDE6}

    pod.mark(table, {PEER: 5})
    pod.unmark(table, [])
    assert pod.marked(table).keys() == {PEER, HOST, WIDE6}


def test_all_are_marked_or_none(pod: Namespace, table: str) -> None:
    refuses(errno.ENOENT, lambda: pod.mark(table, {PEER: 5, PEER6: 5, UNFIT: 5}))

    assert pod.marked(table) == {}


def test_thousands_are_marked_at_once(pod: Namespace, table: str) -> None:
    many = {ip_network((0x0A000000 + (n << 8), 24)): 60.0 for n in range(2500)}
    many |= {ip_network(((0xFD << 120) + (n << 64), 64)): 60.0 for n in range(2500)}
    for _ in range(2):
        pod.mark(table, many)
    assert pod.marked(table).keys() == many.keys()

    pod.unmark(table, many.keys())
    assert pod.marked(table) == {}
