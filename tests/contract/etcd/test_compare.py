"""Compares: of one key, of a range, of what is not there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ipam.etcd.interface import (
    Compare,
    Etcd,
    Keys,
    Relation,
    Target,
    Txn,
    created_at,
    modified_at,
    none_in,
    value_is,
)
from tests.etcd.given import WITHIN, put

NUMBERS = (Target.VERSION, Target.CREATE, Target.MOD, Target.LEASE)
EQUAL, GREATER, LESS, NOT_EQUAL = Relation


def holds(etcd: Etcd, *compares: Compare) -> bool:
    return etcd.txn(Txn(compares), WITHIN).done.succeeded


def relations(etcd: Etcd, keys: Keys, target: Target, operand: int | bytes) -> set[Relation]:
    """Return the relations that hold."""
    return {one for one in Relation if holds(etcd, Compare(keys, target, operand, one))}


@pytest.mark.parametrize("of", [Keys, Keys.below])
@pytest.mark.parametrize("target", NUMBERS)
def test_what_is_not_there_has_zeros(
    etcd: Etcd, at: str, of: Callable[[str], Keys], target: Target
) -> None:
    assert relations(etcd, of(at), target, 0) == {EQUAL}
    assert relations(etcd, of(at), target, 1) == {LESS, NOT_EQUAL}


@pytest.mark.parametrize("of", [Keys, Keys.below])
def test_what_is_not_there_has_no_value(etcd: Etcd, at: str, of: Callable[[str], Keys]) -> None:
    assert relations(etcd, of(at), Target.VALUE, b"") == set()


def test_numbers_are_compared(etcd: Etcd, at: str) -> None:
    lease = etcd.grant(60, WITHIN)
    first = put(etcd, at, b"1")
    last = put(etcd, at, b"2", lease)
    for target, number in zip(NUMBERS, (2, first, last, lease), strict=True):
        assert relations(etcd, Keys(at), target, number) == {EQUAL}
        assert relations(etcd, Keys(at), target, number - 1) == {GREATER, NOT_EQUAL}
        assert relations(etcd, Keys(at), target, number + 1) == {LESS, NOT_EQUAL}
    assert holds(etcd, created_at(at, first), modified_at(at, last), value_is(at, b"2"))
    assert not holds(etcd, created_at(at, first), modified_at(at, first))


def test_values_are_compared_as_bytes(etcd: Etcd, at: str) -> None:
    put(etcd, at, b"b\x80")
    assert relations(etcd, Keys(at), Target.VALUE, b"b\x80") == {EQUAL}
    assert relations(etcd, Keys(at), Target.VALUE, b"b") == {GREATER, NOT_EQUAL}
    assert relations(etcd, Keys(at), Target.VALUE, b"") == {GREATER, NOT_EQUAL}
    assert relations(etcd, Keys(at), Target.VALUE, b"b\xff") == {LESS, NOT_EQUAL}


def test_each_key_of_a_range_is_compared(etcd: Etcd, at: str) -> None:
    assert holds(etcd, none_in(Keys.below(at)))
    first, last = put(etcd, f"{at}a", b"a"), put(etcd, f"{at}b", b"b")
    below = Keys.below(at)
    assert not holds(etcd, none_in(below))
    assert relations(etcd, below, Target.CREATE, first) == set()
    assert relations(etcd, below, Target.CREATE, first - 1) == {GREATER, NOT_EQUAL}
    assert relations(etcd, below, Target.MOD, last + 1) == {LESS, NOT_EQUAL}
    assert relations(etcd, below, Target.VERSION, 1) == {EQUAL}
    assert relations(etcd, below, Target.VALUE, b"a") == set()
    assert relations(etcd, below, Target.VALUE, b"") == {GREATER, NOT_EQUAL}


def test_the_end_of_a_range_is_not_in_it(etcd: Etcd, at: str) -> None:
    put(etcd, f"{at}b")
    assert holds(etcd, none_in(Keys(f"{at}a", f"{at}b")))
    assert not holds(etcd, none_in(Keys(f"{at}b", f"{at}b\0")))
    assert holds(etcd, none_in(Keys(f"{at}c", f"{at}a")))
    assert not holds(etcd, none_in(Keys(at, "\0")))
