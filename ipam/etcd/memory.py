"""A store in memory that does what etcd does: for tests, and true to the same contract.

`tests/contract/etcd` holds it against real servers.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ipam.etcd.errors import CompactedError, LeaseGoneError
from ipam.etcd.history import History, Path
from ipam.etcd.interface import Batch, Delete, Event, Get, Keys, Listing, Outcome, Put, Txn
from ipam.etcd.rules import TO_THE_END, check, check_keys

ALL = Keys("\0", TO_THE_END)
SHORTEST_LEASE = 2
"""Seconds: etcd makes a shorter one as long as this, with its usual election timeout of 1 s."""
_SLICE = 0.05
"""Seconds after which a waiting watch looks whether a lease has ended."""


@dataclass(frozen=True, slots=True)
class _Lease:
    seconds: int
    ends: float


@dataclass(frozen=True, slots=True)
class Backup:
    """What a store was."""

    history: History
    leases: dict[int, _Lease]


class MemoryEtcd:
    """A store in memory, for any number of threads.

    A lease ends by the clock: with the first call after that, or under a waiting watch.

    Args:
        clock: seconds, for the leases.
        idle: after how many seconds without events a watch yields an empty batch.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, idle: float = 1.0) -> None:
        self._clock = clock
        self._idle = idle
        self._history = History()
        self._leases: dict[int, _Lease] = {}
        self._numbers = itertools.count(1)
        self._starts = 0
        self._changed = threading.Condition()

    # ── what etcd does ────────────────────────────────────────────────────────────────────────

    def get(self, get: Get, within: float) -> Listing:
        """Read."""
        del within
        check_keys(get.keys)
        with self._changed:
            self._end_leases()
            self._history.check(get.revision)
            return Listing(self._history.find(get), self._history.revision)

    def txn(self, txn: Txn, within: float) -> Outcome:
        """Do a transaction."""
        del within
        check(txn)
        with self._changed:
            self._end_leases()
            path = self._history.path(txn)
            self._check(path)
            done = self._history.apply(path)
            self._changed.notify_all()
            return Outcome(done, self._history.revision)

    def grant(self, seconds: int, within: float) -> int:
        """Make a lease, of `SHORTEST_LEASE` seconds at least."""
        del within
        with self._changed:
            number = next(self._numbers)
            seconds = max(seconds, SHORTEST_LEASE)
            self._leases[number] = _Lease(seconds, self._clock() + seconds)
            return number

    def keep_alive(self, lease: int, within: float) -> int:
        """Let a lease run its whole time again."""
        del within
        with self._changed:
            self._end_leases()
            self._check_lease(lease)
            seconds = self._leases[lease].seconds
            self._leases[lease] = _Lease(seconds, self._clock() + seconds)
            return seconds

    def revoke(self, lease: int, within: float) -> None:
        """End a lease and delete its keys."""
        del within
        with self._changed:
            self._end_leases()
            if lease in self._leases:
                self._end(lease)

    @contextmanager
    def watch(self, keys: Keys, after: int) -> Iterator[Iterator[Batch]]:
        """Follow keys."""
        watching = self._batches(keys, after)
        try:
            yield watching
        finally:
            watching.close()

    def close(self) -> None:
        """Do nothing: others may share the store."""

    # ── what is done to an etcd ───────────────────────────────────────────────────────────────

    def compact(self, revision: int) -> None:
        """Forget what was before a revision; RefusedError or CompactedError as etcd does."""
        with self._changed:
            self._history.check(revision)
            if revision <= self._history.compacted:
                compacted = self._history.compacted
                raise CompactedError(f"revision {revision} was compacted before", compacted)
            self._history.compacted = revision

    def restart(self) -> None:
        """Let each watch ask anew from where it is: what was compacted meanwhile it has lost."""
        with self._changed:
            self._starts += 1
            self._changed.notify_all()

    def backup(self) -> Backup:
        """Return what there is."""
        with self._changed:
            return Backup(self._history.copy(), dict(self._leases))

    def restore(self, backup: Backup) -> None:
        """Make everything what it was; each lease runs its whole time again."""
        with self._changed:
            now = self._clock()
            self._history = backup.history.copy()
            self._leases = {
                number: replace(lease, ends=now + lease.seconds)
                for number, lease in backup.leases.items()
            }
            self.restart()

    # ── how ───────────────────────────────────────────────────────────────────────────────────

    def _check(self, path: Path) -> None:
        """Raise an error for what can be seen only on the way that a transaction takes."""
        for put in path.walk():
            if isinstance(put, Put) and put.lease:
                self._check_lease(put.lease)
        for get in path.walk():
            if isinstance(get, Get):
                self._history.check(get.revision)

    def _check_lease(self, lease: int) -> None:
        if lease not in self._leases:
            raise LeaseGoneError(f"lease {lease} does not exist: it was revoked or has ended")

    def _end_leases(self) -> None:
        now = self._clock()
        for number in [number for number, lease in self._leases.items() if lease.ends <= now]:
            self._end(number)

    def _end(self, lease: int) -> None:
        """End a lease: all its keys go in one revision."""
        del self._leases[lease]
        keys = [entry.key for entry in self._history.entries(ALL) if entry.lease == lease]
        self._history.apply(
            Path(succeeded=True, operations=tuple(Delete(Keys(key)) for key in keys))
        )
        self._changed.notify_all()

    def _batches(self, keys: Keys, position: int) -> Generator[Batch, None, None]:
        starts = None
        while True:
            with self._changed:
                if starts != self._starts:
                    starts = self._starts
                    self._check_start(position)
                events = self._wait_for_events(keys, position, starts)
                position = max(position, self._history.revision)
            yield Batch(events, position)

    def _check_start(self, position: int) -> None:
        compacted = self._history.compacted
        if position + 1 < compacted:
            raise CompactedError(
                f"the events after revision {position} were compacted: there is nothing before"
                f" revision {compacted}; list the keys, and watch from there",
                compacted,
            )

    def _wait_for_events(self, keys: Keys, position: int, starts: int) -> tuple[Event, ...]:
        """Return events, or none after `idle` seconds or when a watch has to ask anew."""
        until = time.monotonic() + self._idle
        while True:
            self._end_leases()
            events = self._history.after(position, keys)
            left = until - time.monotonic()
            if events or left <= 0 or starts != self._starts:
                return events
            self._changed.wait(min(left, _SLICE))
