"""What railcni asks of etcd, in types of its own.

The words are etcd's (API v3): revision, lease, compare, transaction.  A key's `create_revision` and
`mod_revision` are 0 while there is no such key, so that comparing with 0 tells absence.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Keys:
    """One key, or with `end` all keys from `first` to before `end`, in the order of their bytes."""

    first: str
    end: str | None = None

    @classmethod
    def below(cls, prefix: str) -> Keys:
        """Return all keys that begin with a prefix (not empty)."""
        return cls(prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1))


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key as it was at some revision."""

    key: str
    value: bytes
    """Empty when keys only were asked for."""
    create_revision: int
    mod_revision: int
    version: int
    """How often it was put since it was created."""
    lease: int = 0
    """The lease it goes with, 0 for none."""


# ── compares ──────────────────────────────────────────────────────────────────────────────────────


class Target(enum.Enum):
    """What of a key is compared."""

    VERSION = 0
    CREATE = 1
    MOD = 2
    VALUE = 3
    LEASE = 4


class Relation(enum.Enum):
    """How it is compared."""

    EQUAL = 0
    GREATER = 1
    LESS = 2
    NOT_EQUAL = 3


@dataclass(frozen=True, slots=True)
class Compare:
    """A condition on a key, or on each key of a range.

    Of a key that is absent, and of a range without keys, each number is 0, and a compare of the
    value is false.  Conditions within a transaction within a transaction see the keys as they were
    before all of it.
    """

    keys: Keys
    target: Target
    operand: int | bytes
    relation: Relation = Relation.EQUAL


def absent(key: str) -> Compare:
    """Hold when there is no such key."""
    return Compare(Keys(key), Target.CREATE, 0)


def present(key: str) -> Compare:
    """Hold when there is such a key."""
    return Compare(Keys(key), Target.CREATE, 0, Relation.GREATER)


def none_in(keys: Keys) -> Compare:
    """Hold when a range has no key."""
    return Compare(keys, Target.CREATE, 0)


def created_at(key: str, revision: int) -> Compare:
    """Hold while a key is the one that was created at a revision."""
    return Compare(Keys(key), Target.CREATE, revision)


def modified_at(key: str, revision: int) -> Compare:
    """Hold while a key is as it was put last at a revision; 0: there is none."""
    return Compare(Keys(key), Target.MOD, revision)


def value_is(key: str, value: bytes) -> Compare:
    """Hold when a key has this value."""
    return Compare(Keys(key), Target.VALUE, value)


# ── operations ────────────────────────────────────────────────────────────────────────────────────


class Order(enum.Enum):
    """How a range is sorted; by key when nothing is said."""

    KEY_UP = enum.auto()
    KEY_DOWN = enum.auto()
    CREATED_UP = enum.auto()
    CREATED_DOWN = enum.auto()
    MODIFIED_UP = enum.auto()
    MODIFIED_DOWN = enum.auto()


@dataclass(frozen=True, slots=True)
class Put:
    """Set a key; `lease` 0 takes it off the lease that it had."""

    key: str
    value: bytes
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a key or a range; no error when there is none."""

    keys: Keys


@dataclass(frozen=True, slots=True)
class Get:
    """Read a key or a range."""

    keys: Keys
    limit: int = 0
    """At most so many keys; 0 for all.  On an open range etcd's work is O(range) nevertheless."""
    order: Order | None = None
    keys_only: bool = False
    count_only: bool = False
    revision: int = 0
    """As it was then; 0 for now."""
    serializable: bool = False
    """May be answered by a member that lags behind; it needs no quorum."""


@dataclass(frozen=True, slots=True)
class Txn:
    """If all compares hold, do `then`, otherwise `otherwise`: at once, in order, wholly or not."""

    compares: tuple[Compare, ...] = ()
    then: tuple[Operation, ...] = ()
    otherwise: tuple[Operation, ...] = ()


Operation: TypeAlias = Put | Delete | Get | Txn


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a Put."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """The answer to a Delete."""

    count: int


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a Get."""

    entries: tuple[KeyValue, ...]
    count: int
    """How many keys the range has; more than `entries` where a limit or count_only was given."""
    more: bool
    """The limit cut something off."""


@dataclass(frozen=True, slots=True)
class Done:
    """The answer to a transaction within a transaction."""

    succeeded: bool
    answers: tuple[Answer, ...]
    """Of the branch that was taken, one per operation."""


Answer: TypeAlias = Written | Deleted | Found | Done


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a call: what was done, and the store's revision when it was."""

    done: Done
    revision: int


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer to a read, and the store's revision when it was read."""

    found: Found
    revision: int


# ── watching ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Event:
    """A key was put, or deleted (also when its lease ended)."""

    entry: KeyValue
    """Of a deleted key, only `key` and `mod_revision` mean anything."""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one or more whole revisions; empty when the watch only tells how far it is."""

    events: tuple[Event, ...]
    revision: int
    """All events up to here have been delivered."""


class Etcd(Protocol):
    """A store.  Each call takes at most `within` seconds, retries and other endpoints included.

    A call is repeated on another endpoint when one does not answer, so that a transaction may meet
    what an earlier attempt of itself has done: its compares must recognise that (a token of the
    writer's in the value).

    Raises:
        UnavailableError, DeniedError, RefusedError: each of these calls.
    """

    def get(self, get: Get, within: float) -> Listing:
        """Read; CompactedError when `revision` was compacted."""
        ...

    def txn(self, txn: Txn, within: float) -> Outcome:
        """Do a transaction; LeaseGoneError when it puts with a lease that has ended."""
        ...

    def grant(self, seconds: int, within: float) -> int:
        """Make a lease that ends in so many seconds unless it is kept alive; return its number."""
        ...

    def keep_alive(self, lease: int, within: float) -> int:
        """Let a lease run its whole time again; return that time in seconds (LeaseGoneError)."""
        ...

    def revoke(self, lease: int, within: float) -> None:
        """End a lease and delete its keys; no error when it has ended."""
        ...

    def watch(self, keys: Keys, after: int) -> AbstractContextManager[Iterator[Batch]]:
        """Follow keys from the first revision above `after`, as long as the block lasts.

        It goes on by itself when endpoints come and go, and loses and repeats no event.  Next on
        the iterator waits for events, at most some seconds: then it yields an empty batch, so that
        who waits can look about.

        Raises:
            CompactedError: from the iterator; what came between is lost: list, then watch again.
            DeniedError: from the iterator.
        """
        ...

    def close(self) -> None:
        """End all connections; no call may follow."""
        ...
