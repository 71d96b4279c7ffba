"""Watches: every event once, in order, by whole revisions."""

from __future__ import annotations

import threading

import pytest

from ipam.etcd.errors import CompactedError
from ipam.etcd.interface import Delete, Etcd, Event, Keys, KeyValue, Put, Txn
from tests.contract.etcd.worlds import World
from tests.etcd.given import WITHIN, collect, events, put, revision


def names(found: list[Event]) -> list[tuple[str, bool]]:
    """Return each event's last letter, and whether its key was deleted."""
    return [(one.entry.key[-1], one.deleted) for one in found]


def test_what_happened_before_is_told(etcd: Etcd, at: str) -> None:
    before = revision(etcd)
    first = put(etcd, at, b"1")
    second = put(etcd, at, b"2")
    found = events(etcd, Keys(at), before, 2)
    assert found == [
        Event(KeyValue(at, b"1", first, first, 1)),
        Event(KeyValue(at, b"2", first, second, 2)),
    ]
    assert events(etcd, Keys(at), first, 1) == found[1:]


def test_what_happens_meanwhile_is_told(etcd: Etcd, at: str) -> None:
    before = revision(etcd)
    with etcd.watch(Keys.below(at), before) as batches:
        put(etcd, f"{at}0")
        assert names(collect(batches, 1)) == [("0", False)]
        writer = threading.Thread(target=lambda: [put(etcd, at + name) for name in "abc"])
        writer.start()
        found = collect(batches, 3)
        writer.join()
    assert names(found) == [("a", False), ("b", False), ("c", False)]


def test_only_the_keys_that_are_watched_are_told_of(etcd: Etcd, at: str) -> None:
    before = revision(etcd)
    for name in "abcd":
        put(etcd, at + name)
    assert names(events(etcd, Keys(f"{at}b", f"{at}d"), before, 2)) == [("b", False), ("c", False)]
    assert names(events(etcd, Keys(f"{at}d"), before, 1)) == [("d", False)]


def test_a_deletion_is_told_with_its_revision(etcd: Etcd, at: str) -> None:
    last = put(etcd, at, b"1")
    etcd.txn(Txn(then=(Delete(Keys(at)), Delete(Keys(at)))), WITHIN)
    (found,) = events(etcd, Keys(at), last, 1)
    assert found.deleted
    assert (found.entry.key, found.entry.mod_revision) == (at, last + 1)


def test_a_revision_comes_whole_in_the_order_of_its_operations(etcd: Etcd, at: str) -> None:
    put(etcd, f"{at}z")
    before = put(etcd, f"{at}y")
    nested = Txn(then=(Put(f"{at}a", b""),)), Txn(then=(Delete(Keys(f"{at}a")),))
    etcd.txn(Txn(then=(Put(f"{at}c", b""), *nested, Delete(Keys(f"{at}y", f"{at}{{")))), WITHIN)
    with etcd.watch(Keys.below(at), before) as batches:
        batch = next(batches)
        while not batch.events:
            batch = next(batches)
    assert names([*batch.events]) == [
        ("c", False),
        ("a", False),
        ("a", True),
        ("y", True),
        ("z", True),
    ]
    assert {one.entry.mod_revision for one in batch.events} == {before + 1}


def test_a_watch_of_the_future_waits_for_it(etcd: Etcd, at: str) -> None:
    before = revision(etcd)
    with etcd.watch(Keys.below(at), before + 2) as batches:
        for name in "abc":
            put(etcd, at + name)
        assert names(collect(batches, 1)) == [("c", False)]


def test_watches_do_not_disturb_each_other(etcd: Etcd, at: str) -> None:
    before = revision(etcd)
    with etcd.watch(Keys(at), before) as one, etcd.watch(Keys.below(at), before) as other:
        put(etcd, at)
        assert len(collect(one, 1)) == 1
        put(etcd, at)
        assert len(collect(other, 2)) == 2
        assert len(collect(one, 1)) == 1


def test_events_that_were_compacted_are_lost(world: World, at: str) -> None:
    etcd = world.store
    first = put(etcd, at, b"1")
    put(etcd, at, b"2")
    last = put(etcd, at, b"3")
    world.compact(last)
    with etcd.watch(Keys(at), first) as batches, pytest.raises(CompactedError) as caught:
        collect(batches, 1)
    assert caught.value.revision == last
    again = put(etcd, at, b"4")
    assert events(etcd, Keys(at), last, 1) == [Event(KeyValue(at, b"4", first, again, 4))]


def test_a_watch_that_is_behind_nothing_survives_compaction(world: World, at: str) -> None:
    etcd = world.store
    before = revision(etcd)
    with etcd.watch(Keys(at), before) as batches:
        put(etcd, at)
        assert len(collect(batches, 1)) == 1
        put(etcd, at)
        world.compact(put(etcd, at))
        put(etcd, at)
        assert len(collect(batches, 3)) == 3


def test_a_watch_without_events_tells_how_far_it_is(etcd: Etcd, at: str) -> None:
    before = put(etcd, f"{at}other")
    with etcd.watch(Keys(at), before) as batches:
        batch = next(batches)
    assert batch.events == ()
    assert batch.revision >= before
