"""Keys and their versions, as etcd's multi-version store keeps them.  No clock and no lock."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from operator import attrgetter

from ipam.etcd.errors import CompactedError, RefusedError
from ipam.etcd.interface import (
    Delete,
    Deleted,
    Done,
    Event,
    Found,
    Get,
    Keys,
    KeyValue,
    Operation,
    Order,
    Put,
    Txn,
    Written,
)
from ipam.etcd.rules import TO_THE_END, contains, holds

_SORTED = {
    Order.KEY_UP: ("key", False),
    Order.KEY_DOWN: ("key", True),
    Order.CREATED_UP: ("create_revision", False),
    Order.CREATED_DOWN: ("create_revision", True),
    Order.MODIFIED_UP: ("mod_revision", False),
    Order.MODIFIED_DOWN: ("mod_revision", True),
}


def _revision(event: Event) -> int:
    return event.entry.mod_revision


@dataclass
class History:
    """All that was ever written, and which part of it may still be asked for."""

    revision: int = 1
    compacted: int = -1
    """What was before this revision may not be asked for."""
    events: list[Event] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)
    """Sorted, those of deleted keys too."""
    _versions: dict[str, list[Event]] = field(default_factory=dict)

    def copy(self) -> History:
        """Return a copy that goes its own way; what is in it never changes."""
        versions = {name: [*versions] for name, versions in self._versions.items()}
        return replace(self, events=[*self.events], _names=[*self._names], _versions=versions)

    # ── reading ───────────────────────────────────────────────────────────────────────────────

    def entries(self, keys: Keys, revision: int = 0) -> Iterator[KeyValue]:
        """Yield keys as they were at a revision, 0 for now; in the order of the keys."""
        for name in self._named(keys):
            versions = self._versions[name]
            at = bisect_right(versions, revision, key=_revision) if revision else len(versions)
            if at and not versions[at - 1].deleted:
                yield versions[at - 1].entry

    def _named(self, keys: Keys) -> list[str]:
        first = bisect_left(self._names, keys.first)
        if not keys.end:
            return [keys.first] if keys.first in self._versions else []
        if keys.end == TO_THE_END:
            return self._names[first:]
        return self._names[first : bisect_left(self._names, keys.end)]

    def check(self, revision: int) -> None:
        """Raise an error for a revision that cannot be read."""
        if revision > self.revision:
            raise RefusedError(
                f"revision {revision} is in the future: the store is at {self.revision}"
            )
        if 0 < revision < self.compacted:
            raise CompactedError(
                f"revision {revision} was compacted: history begins at {self.compacted}",
                self.compacted,
            )

    def find(self, get: Get) -> Found:
        """Read."""
        entries = list(self.entries(get.keys, get.revision))
        count = len(entries)
        if get.count_only:
            return Found((), count, more=False)
        if get.order:
            name, down = _SORTED[get.order]
            entries.sort(key=attrgetter(name), reverse=down)
        if get.limit > 0:
            del entries[get.limit :]
        if get.keys_only:
            entries = [replace(entry, value=b"") for entry in entries]
        return Found(tuple(entries), count, more=len(entries) < count)

    def after(self, revision: int, keys: Keys) -> tuple[Event, ...]:
        """Return what happened to keys after a revision, in its order."""
        first = bisect_right(self.events, revision, key=_revision)
        return tuple(event for event in self.events[first:] if contains(keys, event.entry.key))

    # ── writing ───────────────────────────────────────────────────────────────────────────────

    def path(self, txn: Txn) -> Path:
        """Return which branches a transaction takes: those within it too, before any write."""
        succeeded = all(holds(one, [*self.entries(one.keys)]) for one in txn.compares)
        branch = txn.then if succeeded else txn.otherwise
        nested = tuple(self.path(one) for one in branch if isinstance(one, Txn))
        return Path(succeeded, branch, nested)

    def apply(self, path: Path) -> Done:
        """Do a transaction that has been checked; all its writes have one revision."""
        before = len(self.events)
        done = self._apply(path, self.revision + 1)
        self.revision += len(self.events) > before
        return done

    def _apply(self, path: Path, revision: int) -> Done:
        nested = iter(path.nested)
        answers: list[Written | Deleted | Found | Done] = []
        for operation in path.operations:
            match operation:
                case Put():
                    self._put(operation, revision)
                    answers.append(Written())
                case Delete():
                    answers.append(Deleted(self._delete(operation.keys, revision)))
                case Get():
                    answers.append(self.find(operation))
                case Txn():
                    answers.append(self._apply(next(nested), revision))
        return Done(path.succeeded, tuple(answers))

    def _put(self, put: Put, revision: int) -> None:
        last = next(self.entries(Keys(put.key)), None)
        created, version = (last.create_revision, last.version) if last else (revision, 0)
        entry = KeyValue(put.key, put.value, created, revision, version + 1, put.lease)
        self._add(Event(entry))

    def _delete(self, keys: Keys, revision: int) -> int:
        gone = list(self.entries(keys))
        for entry in gone:
            self._add(Event(KeyValue(entry.key, b"", 0, revision, 0), deleted=True))
        return len(gone)

    def _add(self, event: Event) -> None:
        name = event.entry.key
        if name not in self._versions:
            insort(self._names, name)
            self._versions[name] = []
        self._versions[name].append(event)
        self.events.append(event)


@dataclass(frozen=True, slots=True)
class Path:
    """The branches that a transaction takes.

    Args:
        succeeded: whether its compares hold.
        operations: of the branch that is taken.
        nested: of the transactions among them, in order.
    """

    succeeded: bool
    operations: tuple[Operation, ...]
    nested: tuple[Path, ...] = ()

    def walk(self) -> Iterator[Operation]:
        """Yield all operations that will be done."""
        yield from self.operations
        for path in self.nested:
            yield from path.walk()
