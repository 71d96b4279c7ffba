"""What etcd's API server decides from a transaction alone, and how it compares.  Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ipam.etcd.errors import RefusedError
from ipam.etcd.interface import (
    Compare,
    Delete,
    Get,
    Keys,
    KeyValue,
    Operation,
    Put,
    Relation,
    Target,
    Txn,
)

_Value = TypeVar("_Value", int, bytes)

MOST_OPERATIONS = 128
"""As `--max-txn-ops` is when nothing is said."""
TO_THE_END = "\0"
"""As the end of a range: all keys from the first."""


def check(txn: Txn) -> None:
    """Raise a RefusedError for a transaction that etcd refuses, whatever the store holds."""
    _check_sizes(txn, MOST_OPERATIONS)
    for branch in (txn.then, txn.otherwise):
        _check_overlaps(branch)


def _check_sizes(txn: Txn, most: int) -> None:
    """Each of the three lists counts by itself; what is nested has what the longest leaves."""
    longest = max(len(txn.compares), len(txn.then), len(txn.otherwise))
    if longest > most:
        raise RefusedError(
            f"too many operations in a transaction: {longest}, where {most} are allowed"
        )
    for compare in txn.compares:
        check_keys(compare.keys)
    for operation in (*txn.then, *txn.otherwise):
        match operation:
            case Txn():
                _check_sizes(operation, most - longest)
            case Put():
                check_keys(Keys(operation.key))
            case Get() | Delete():
                check_keys(operation.keys)


def check_keys(keys: Keys) -> None:
    """Raise a RefusedError for an empty key."""
    if not keys.first:
        raise RefusedError("a key is empty: etcd's keys have at least one byte")


@dataclass(frozen=True, slots=True)
class _Writes:
    """What the operations of a branch, and those within them, may write."""

    puts: set[str] = field(default_factory=set)
    deletes: list[Keys] = field(default_factory=list)

    def add(self, key: str, *, beside: Iterable[str] = ()) -> None:
        """Add a put; refuse it if another may write its key, those `beside` it excepted."""
        taken = key in self.puts and key not in beside
        if taken or any(contains(keys, key) for keys in self.deletes):
            raise RefusedError(f"a transaction writes the key {key!r} twice")
        self.puts.add(key)


def _check_overlaps(operations: Sequence[Operation]) -> _Writes:
    """Refuse two writes of a key, as etcd does it.

    That is: deletes of this level come first, then nested transactions, then puts of this level.
    A nested put followed by a sibling's delete passes, the other way round it does not.
    """
    writes = _Writes()
    writes.deletes.extend(one.keys for one in operations if isinstance(one, Delete))
    for nested in operations:
        if not isinstance(nested, Txn):
            continue
        then, otherwise = _check_overlaps(nested.then), _check_overlaps(nested.otherwise)
        for key in then.puts:
            writes.add(key)
        for key in otherwise.puts:
            writes.add(key, beside=then.puts)
        writes.deletes.extend((*then.deletes, *otherwise.deletes))
    for put in operations:
        if isinstance(put, Put):
            writes.add(put.key)
    return writes


def contains(keys: Keys, key: str) -> bool:
    """Tell whether a key is among some."""
    if not keys.end:
        return key == keys.first
    return keys.first <= key and (keys.end == TO_THE_END or key < keys.end)


def holds(compare: Compare, entries: Sequence[KeyValue]) -> bool:
    """Tell whether a compare holds, given what its keys are.

    Without any key, one is compared whose numbers are all 0; its value is equal to none.
    """
    if not entries:
        nothing = KeyValue("", b"", 0, 0, 0)
        return compare.target is not Target.VALUE and _holds(compare, nothing)
    return all(_holds(compare, entry) for entry in entries)


def _holds(compare: Compare, entry: KeyValue) -> bool:
    if isinstance(compare.operand, bytes):
        order = _order(entry.value, compare.operand)
    else:
        order = _order(_number(compare.target, entry), compare.operand)
    match compare.relation:
        case Relation.EQUAL:
            return order == 0
        case Relation.GREATER:
            return order > 0
        case Relation.LESS:
            return order < 0
        case Relation.NOT_EQUAL:
            return order != 0


def _number(target: Target, entry: KeyValue) -> int:
    match target:
        case Target.VERSION:
            return entry.version
        case Target.CREATE:
            return entry.create_revision
        case Target.MOD:
            return entry.mod_revision
        case Target.LEASE:
            return entry.lease
        case Target.VALUE:
            raise TypeError("a value is compared with bytes")


def _order(one: _Value, other: _Value) -> int:
    return (one > other) - (one < other)
