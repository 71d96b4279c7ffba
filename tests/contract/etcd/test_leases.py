"""Leases: what goes with them, and when."""

from __future__ import annotations

import pytest

from ipam.etcd.errors import LeaseGoneError
from ipam.etcd.interface import Etcd, Get, Keys, Put, Txn
from tests.contract.etcd.worlds import World
from tests.etcd.given import WITHIN, entry, events, put, revision

SHORT = 2
"""Seconds: the shortest that etcd grants."""


def test_a_lease_lasts_as_long_as_it_says(etcd: Etcd) -> None:
    assert etcd.keep_alive(etcd.grant(30, WITHIN), WITHIN) == 30


def test_a_lease_lasts_two_seconds_at_least(etcd: Etcd) -> None:
    assert etcd.keep_alive(etcd.grant(1, WITHIN), WITHIN) == SHORT


def test_leases_have_numbers_of_their_own(etcd: Etcd) -> None:
    numbers = {etcd.grant(30, WITHIN) for _ in range(5)}
    assert len(numbers) == 5
    assert min(numbers) > 0


def test_granting_makes_no_revision(etcd: Etcd) -> None:
    before = revision(etcd)
    lease = etcd.grant(30, WITHIN)
    etcd.keep_alive(lease, WITHIN)
    etcd.revoke(lease, WITHIN)
    assert revision(etcd) == before


def test_keys_go_with_their_lease_in_one_revision(etcd: Etcd, at: str) -> None:
    lease = etcd.grant(30, WITHIN)
    put(etcd, f"{at}a", lease=lease)
    put(etcd, f"{at}b", lease=lease)
    last = put(etcd, f"{at}c")
    etcd.revoke(lease, WITHIN)
    left = etcd.get(Get(Keys.below(at)), WITHIN)
    assert [one.key for one in left.found.entries] == [f"{at}c"]
    assert left.revision == last + 1
    gone = events(etcd, Keys.below(at), last, 2)
    assert [(one.entry.key, one.deleted) for one in gone] == [(f"{at}a", True), (f"{at}b", True)]


def test_the_last_put_decides_about_the_lease(etcd: Etcd, at: str) -> None:
    first, second = etcd.grant(30, WITHIN), etcd.grant(30, WITHIN)
    for name in ("free", "moved"):
        put(etcd, at + name, lease=first)
    put(etcd, f"{at}free")
    put(etcd, f"{at}moved", lease=second)
    etcd.revoke(first, WITHIN)
    left = {one.key: one.lease for one in etcd.get(Get(Keys.below(at)), WITHIN).found.entries}
    assert left == {f"{at}free": 0, f"{at}moved": second}


def test_a_lease_that_is_gone_is_named(etcd: Etcd, at: str) -> None:
    lease = etcd.grant(30, WITHIN)
    etcd.revoke(lease, WITHIN)
    etcd.revoke(lease, WITHIN)
    with pytest.raises(LeaseGoneError):
        etcd.keep_alive(lease, WITHIN)
    with pytest.raises(LeaseGoneError):
        etcd.txn(Txn(then=(Put(f"{at}b", b""), Put(at, b"", lease))), WITHIN)
    assert etcd.get(Get(Keys.below(at)), WITHIN).found.count == 0


def test_a_lease_ends_by_itself(world: World, at: str) -> None:
    etcd = world.store
    lease = etcd.grant(SHORT, WITHIN)
    kept = etcd.grant(30, WITHIN)
    before = put(etcd, at, lease=lease)
    put(etcd, f"{at}kept", lease=kept)
    world.wait(SHORT, lambda: entry(etcd, at) is None)
    with pytest.raises(LeaseGoneError):
        etcd.keep_alive(lease, WITHIN)
    assert entry(etcd, f"{at}kept")
    (gone,) = events(etcd, Keys(at), before, 1)
    assert gone.deleted
    assert gone.entry.mod_revision == before + 2
