"""Reading: what is cut off, how it is sorted, history."""

from __future__ import annotations

import pytest

from ipam.etcd.errors import CompactedError, RefusedError
from ipam.etcd.interface import Delete, Etcd, Found, Get, Keys, KeyValue, Order, Put, Txn
from tests.contract.etcd.worlds import World
from tests.etcd.given import WITHIN, put, revision


@pytest.fixture
def three(etcd: Etcd, at: str) -> tuple[KeyValue, ...]:
    """Keys a, b and c, created in the order b c a and modified last in the order c a b."""
    created = {name: put(etcd, at + name) for name in "bca"}
    last = put(etcd, f"{at}b", b"last")
    return (
        KeyValue(f"{at}a", b"", created["a"], created["a"], 1),
        KeyValue(f"{at}b", b"last", created["b"], last, 2),
        KeyValue(f"{at}c", b"", created["c"], created["c"], 1),
    )


def found(etcd: Etcd, get: Get) -> Found:
    return etcd.get(get, WITHIN).found


def test_a_key_alone_is_found(etcd: Etcd, at: str, three: tuple[KeyValue, ...]) -> None:
    assert found(etcd, Get(Keys(f"{at}a"))) == Found(three[:1], 1, more=False)
    assert found(etcd, Get(Keys(at))) == Found((), 0, more=False)


def test_a_range_has_its_first_key_and_not_its_end(
    etcd: Etcd, at: str, three: tuple[KeyValue, ...]
) -> None:
    assert found(etcd, Get(Keys(f"{at}a", f"{at}c"))) == Found(three[:2], 2, more=False)
    assert found(etcd, Get(Keys(f"{at}c", f"{at}a"))) == Found((), 0, more=False)
    assert found(etcd, Get(Keys(f"{at}b", "\0"))).entries[:2] == three[1:]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (None, "abc"),
        (Order.KEY_UP, "abc"),
        (Order.KEY_DOWN, "cba"),
        (Order.CREATED_UP, "bca"),
        (Order.CREATED_DOWN, "acb"),
        (Order.MODIFIED_UP, "cab"),
        (Order.MODIFIED_DOWN, "bac"),
    ],
)
@pytest.mark.parametrize("limit", [0, 1, 2, 3, 4])
@pytest.mark.usefixtures("three")
def test_it_is_sorted_and_then_cut_off(
    etcd: Etcd, at: str, order: Order | None, names: str, limit: int
) -> None:
    listed = found(etcd, Get(Keys.below(at), limit=limit, order=order))
    assert "".join(one.key[-1] for one in listed.entries) == names[: limit or 3]
    assert listed.count == 3
    assert listed.more == (limit in {1, 2})


def test_keys_alone_have_everything_but_values(
    etcd: Etcd, at: str, three: tuple[KeyValue, ...]
) -> None:
    second = three[1]
    listed = found(etcd, Get(Keys(f"{at}b"), keys_only=True)).entries
    assert listed == (KeyValue(second.key, b"", second.create_revision, second.mod_revision, 2),)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("order", [None, Order.KEY_DOWN])
def test_a_count_alone_cuts_nothing_off(etcd: Etcd, at: str, order: Order | None) -> None:
    get = Get(Keys.below(at), count_only=True, limit=1, order=order)
    assert found(etcd, get) == Found((), 3, more=False)


def test_keys_are_in_the_order_of_their_bytes(etcd: Etcd, at: str) -> None:
    names = [f"{at}{name}" for name in ("-", "A", "a", "ä", "z", "\uffff", "\U0001f600")]
    for name in reversed(names):
        put(etcd, name)
    below = sorted(names, key=str.encode)
    assert [one.key for one in found(etcd, Get(Keys.below(at))).entries] == below


def test_history_is_read(etcd: Etcd, at: str) -> None:
    first = put(etcd, at, b"1")
    second = put(etcd, at, b"2")
    gone = etcd.txn(Txn(then=(Delete(Keys(at)), Put(f"{at}b", b""))), WITHIN).revision
    again = put(etcd, at, b"4")
    for asked, entries in (
        (first - 1, ()),
        (first, (KeyValue(at, b"1", first, first, 1),)),
        (second, (KeyValue(at, b"2", first, second, 2),)),
        (gone, ()),
        (again, (KeyValue(at, b"4", again, again, 1),)),
    ):
        listing = etcd.get(Get(Keys(at), revision=asked), WITHIN)
        assert listing.found == Found(entries, len(entries), more=False)
        assert listing.revision == again


def test_the_future_cannot_be_read(etcd: Etcd, at: str) -> None:
    with pytest.raises(RefusedError):
        etcd.get(Get(Keys(at), revision=revision(etcd) + 1), WITHIN)


def test_an_empty_key_cannot_be_read(etcd: Etcd) -> None:
    with pytest.raises(RefusedError):
        etcd.get(Get(Keys("")), WITHIN)


def test_a_member_may_answer_alone(etcd: Etcd, at: str) -> None:
    written = put(etcd, at, b"1")
    assert found(etcd, Get(Keys(at), serializable=True)).entries == (
        KeyValue(at, b"1", written, written, 1),
    )


def test_compacted_history_cannot_be_read(world: World, at: str) -> None:
    etcd = world.store
    first = put(etcd, at, b"1")
    second = put(etcd, at, b"2")
    put(etcd, at, b"3")
    world.compact(second)
    with pytest.raises(CompactedError):
        etcd.get(Get(Keys(at), revision=first), WITHIN)
    with pytest.raises(CompactedError):
        etcd.txn(Txn(then=(Put(f"{at}b", b""), Get(Keys(at), revision=first))), WITHIN)
    kept = found(etcd, Get(Keys(at), revision=second)).entries
    assert kept == (KeyValue(at, b"2", first, second, 2),)
    assert found(etcd, Get(Keys.below(at))).count == 1


def test_a_restored_backup_sets_the_revision_back(world: World, at: str) -> None:
    etcd = world.store
    first = put(etcd, at, b"1")
    restore = world.back_up()
    put(etcd, at, b"2")
    put(etcd, f"{at}b")
    restore()
    listing = etcd.get(Get(Keys.below(at)), WITHIN)
    assert listing.found.entries == (KeyValue(at, b"1", first, first, 1),)
    assert listing.revision == first
    assert put(etcd, at, b"3") == first + 1
