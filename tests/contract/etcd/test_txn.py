"""Transactions: revisions, branches, what is refused."""

from __future__ import annotations

import pytest

from ipam.etcd.errors import LeaseGoneError, RefusedError
from ipam.etcd.interface import (
    Compare,
    Delete,
    Deleted,
    Done,
    Etcd,
    Found,
    Get,
    Keys,
    KeyValue,
    Operation,
    Put,
    Target,
    Txn,
    Written,
    absent,
    present,
)
from tests.etcd.given import WITHIN, entry, put, revision

A, B, C = Put("/dup/a", b""), Put("/dup/b", b""), Put("/dup/c", b"")
NO_A = Delete(Keys("/dup/a"))
ALL_GONE = Delete(Keys.below("/dup/"))
NEVER = Compare(Keys("/dup/never"), Target.VERSION, 1)


def do(etcd: Etcd, *operations: Operation) -> Done:
    return etcd.txn(Txn(then=operations), WITHIN).done


def test_all_writes_of_a_transaction_share_one_revision(etcd: Etcd, at: str) -> None:
    before = revision(etcd)
    nested = Txn((absent(f"{at}a"),), (Put(f"{at}c", b"3"),))
    outcome = etcd.txn(Txn(then=(Put(f"{at}a", b"1"), Put(f"{at}b", b"2"), nested)), WITHIN)
    assert outcome.revision == revision(etcd) == before + 1
    found = etcd.get(Get(Keys.below(at)), WITHIN).found.entries
    assert [(one.create_revision, one.mod_revision, one.version) for one in found] == [
        (before + 1, before + 1, 1)
    ] * 3


def test_a_put_keeps_the_create_revision_and_counts_versions(etcd: Etcd, at: str) -> None:
    first = put(etcd, at, b"1")
    last = put(etcd, at, b"1")
    assert entry(etcd, at) == KeyValue(at, b"1", first, last, 2)
    do(etcd, Delete(Keys(at)))
    again = put(etcd, at)
    assert entry(etcd, at) == KeyValue(at, b"", again, again, 1)


@pytest.mark.parametrize(
    "operations",
    [(), (Get(Keys("/none")),), (Delete(Keys("/none")),), (Delete(Keys.below("/none/")), Txn())],
)
def test_what_changes_nothing_makes_no_revision(
    etcd: Etcd, operations: tuple[Operation, ...]
) -> None:
    before = revision(etcd)
    assert etcd.txn(Txn(then=operations), WITHIN).revision == before
    assert revision(etcd) == before


def test_a_branch_is_taken(etcd: Etcd, at: str) -> None:
    txn = Txn((absent(at),), (Put(at, b"then"),), (Get(Keys(at)), Put(at, b"otherwise")))
    assert etcd.txn(txn, WITHIN).done == Done(succeeded=True, answers=(Written(),))
    made = entry(etcd, at)
    assert made
    found = Found((made,), 1, more=False)
    assert etcd.txn(txn, WITHIN).done == Done(succeeded=False, answers=(found, Written()))


def test_reads_see_the_writes_before_them(etcd: Etcd, at: str) -> None:
    old = put(etcd, f"{at}a", b"old")
    answers = do(
        etcd,
        Get(Keys.below(at)),
        Put(f"{at}a", b"new"),
        Put(f"{at}b", b""),
        Get(Keys.below(at)),
        Get(Keys.below(at), revision=old),
        Txn(then=(Delete(Keys(f"{at}c")), Get(Keys.below(at), count_only=True))),
    ).answers
    was = KeyValue(f"{at}a", b"old", old, old, 1)
    new = old + 1
    now = KeyValue(f"{at}a", b"new", old, new, 2), KeyValue(f"{at}b", b"", new, new, 1)
    assert answers == (
        Found((was,), 1, more=False),
        Written(),
        Written(),
        Found(now, 2, more=False),
        Found((was,), 1, more=False),
        Done(succeeded=True, answers=(Deleted(0), Found((), 2, more=False))),
    )


def test_nested_compares_see_nothing_of_the_writes_around_them(etcd: Etcd, at: str) -> None:
    inner = Txn((present(at),), (), (Put(f"{at}b", b"absent before"),))
    assert do(etcd, Put(at, b""), inner).answers[1] == Done(succeeded=False, answers=(Written(),))


def test_first_free_of_some_in_one_transaction(etcd: Etcd, at: str) -> None:
    names = [f"{at}{number}" for number in range(8)]
    txn = Txn()
    for name in reversed(names):
        txn = Txn((absent(name),), (Put(name, b"mine"),), (txn,))
    for _ in names:
        etcd.txn(txn, WITHIN)
    found = etcd.get(Get(Keys.below(at)), WITHIN).found.entries
    revisions = [one.create_revision for one in found]
    assert revisions == list(range(revisions[0], revisions[0] + 8))


def test_deletes_are_counted(etcd: Etcd, at: str) -> None:
    for name in "abc":
        put(etcd, at + name)
    gone = do(etcd, Delete(Keys(f"{at}b")), Delete(Keys.below(at)), Delete(Keys.below(at)))
    assert gone.answers == (Deleted(1), Deleted(2), Deleted(0))


def test_a_nested_put_is_deleted_by_a_later_sibling(etcd: Etcd, at: str) -> None:
    before = revision(etcd)
    done = do(etcd, Txn(then=(Put(at, b""),)), Txn(then=(Delete(Keys(at)),)))
    assert done.answers[1] == Done(succeeded=True, answers=(Deleted(1),))
    assert entry(etcd, at) is None
    assert revision(etcd) == before + 1


@pytest.mark.parametrize(
    "operations",
    [
        (A, A),
        (A, NO_A),
        (ALL_GONE, A),
        (A, Txn(then=(A,))),
        (A, Txn(otherwise=(A,))),
        (A, Txn(then=(NO_A,))),
        (Txn(then=(A,)), ALL_GONE),
        (Txn(then=(A,)), Txn(then=(A,))),
        (Txn(then=(A,)), Txn(otherwise=(A,))),
        (Txn(then=(NO_A,)), Txn(then=(A,))),
        (Txn(otherwise=(ALL_GONE,)), Txn(otherwise=(A,))),
        (Txn(then=(Txn(then=(A,)),)), A),
        (Txn(then=(B, A)), Txn(then=(C,), otherwise=(B,))),
        (Txn(then=(A, A)),),
    ],
)
def test_two_writes_of_a_key_are_refused(etcd: Etcd, operations: tuple[Operation, ...]) -> None:
    before = revision(etcd)
    for txn in (Txn(then=operations), Txn((NEVER,), then=operations), Txn(otherwise=operations)):
        with pytest.raises(RefusedError):
            etcd.txn(txn, WITHIN)
    assert revision(etcd) == before


@pytest.mark.parametrize(
    "txn",
    [
        Txn(then=(NO_A, NO_A, ALL_GONE)),
        Txn(then=(A, B), otherwise=(A, B)),
        Txn(then=(Txn(then=(A,), otherwise=(A,)),)),
        Txn(then=(Txn(then=(A,)), Txn(then=(NO_A,)))),
        Txn(then=(Txn(then=(A,), otherwise=(NO_A,)), B)),
        Txn(then=(Txn(then=(NO_A,), otherwise=(A,)), B)),
        Txn(then=(Delete(Keys("/dup/a", "/dup/b")), B)),
        Txn(then=(Delete(Keys("/dup/c", "/dup/b")), B)),
    ],
)
def test_what_only_looks_like_two_writes_is_done(etcd: Etcd, txn: Txn) -> None:
    assert etcd.txn(txn, WITHIN).done.succeeded


def _many(count: int) -> tuple[Operation, ...]:
    return tuple(Get(Keys("/none")) for _ in range(count))


def _absent(count: int) -> tuple[Compare, ...]:
    return tuple(absent("/none") for _ in range(count))


@pytest.mark.parametrize(
    "txn",
    [
        Txn(_absent(129)),
        Txn(then=_many(129)),
        Txn(otherwise=_many(129)),
        Txn(then=(Txn(then=_many(128)),)),
        Txn(then=(*_many(63), Txn(then=_many(65)))),
        Txn(_absent(64), then=(Txn(otherwise=_many(65)),)),
        Txn(then=_many(64), otherwise=(Txn(_absent(65)),)),
    ],
)
def test_more_than_128_operations_are_refused(etcd: Etcd, txn: Txn) -> None:
    with pytest.raises(RefusedError):
        etcd.txn(txn, WITHIN)


@pytest.mark.parametrize(
    "txn",
    [
        Txn(_absent(128), _many(128), _many(128)),
        Txn(then=(Txn(_absent(127), _many(127), _many(127)),)),
        Txn(then=(*_many(63), Txn(then=_many(64)))),
        Txn(then=(*(Txn(then=_many(64)) for _ in range(64)),)),
    ],
)
def test_128_operations_are_counted_in_each_list_by_itself(etcd: Etcd, txn: Txn) -> None:
    assert etcd.txn(txn, WITHIN).done.succeeded


@pytest.mark.parametrize(
    "txn",
    [
        Txn((absent(""),)),
        Txn(then=(Put("", b""),)),
        Txn(otherwise=(Delete(Keys("")),)),
        Txn(then=(Txn(then=(Get(Keys("")),)),)),
    ],
)
def test_an_empty_key_is_refused(etcd: Etcd, txn: Txn) -> None:
    with pytest.raises(RefusedError):
        etcd.txn(txn, WITHIN)


def test_what_is_wrong_on_the_other_way_does_not_matter(etcd: Etcd) -> None:
    wrong = Put("/none", b"", lease=7), Get(Keys("/none"), revision=1 << 40)
    assert etcd.txn(Txn(then=(Txn(otherwise=wrong),), otherwise=wrong), WITHIN).done.succeeded


def test_nothing_is_done_when_an_operation_on_the_way_cannot_be(etcd: Etcd, at: str) -> None:
    before = revision(etcd)
    for wrong, error in (
        (Put(f"{at}b", b"", lease=7), LeaseGoneError),
        (Get(Keys(at), revision=1 << 40), RefusedError),
    ):
        with pytest.raises(error):
            do(etcd, Put(at, b""), Txn(then=(wrong,)))
    assert entry(etcd, at) is None
    assert revision(etcd) == before
