"""etcd over gRPC.

Importing this is cheap: gRPC comes with the first call.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ipam.etcd.errors import LeaseGoneError
from ipam.etcd.interface import Batch, Get, Keys, Listing, Outcome, Txn
from ipam.etcd.settings import Settings

if TYPE_CHECKING:
    from ipam.etcd.members import Members


class EtcdClient:
    """The client of an etcd cluster (`ipam.etcd.interface.Etcd`), for any number of threads.

    It stays on one endpoint, chosen at random, and goes to the next when that fails.  Certificates
    are read again when their files have changed, user and password at each login.

    A process that forks does so before the first call: gRPC's threads are not in the child.

    Args:
        settings: where etcd is, and who asks.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._opened: Members | None = None

    def get(self, get: Get, within: float) -> Listing:
        """Read."""
        from ipam.etcd import calls

        return self._members().ask(calls.get(get), within)

    def txn(self, txn: Txn, within: float) -> Outcome:
        """Do a transaction."""
        from ipam.etcd import calls

        return self._members().ask(calls.txn(txn), within)

    def grant(self, seconds: int, within: float) -> int:
        """Make a lease."""
        from ipam.etcd import calls

        return self._members().ask(calls.grant(seconds), within)

    def keep_alive(self, lease: int, within: float) -> int:
        """Let a lease run its whole time again."""
        from ipam.etcd import calls

        seconds = self._members().ask(calls.keep_alive(lease), within)
        if seconds <= 0:
            raise LeaseGoneError(f"there is no lease {lease:x}, or it has ended")
        return seconds

    def revoke(self, lease: int, within: float) -> None:
        """End a lease and delete its keys."""
        from ipam.etcd import calls

        try:
            self._members().ask(calls.revoke(lease), within)
        except LeaseGoneError:
            return

    @contextmanager
    def watch(self, keys: Keys, after: int) -> Iterator[Iterator[Batch]]:
        """Follow keys."""
        from ipam.etcd.watch import Watch

        watch = Watch(self._members(), keys, after)
        try:
            yield watch.batches()
        finally:
            watch.close()

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()

    def _members(self) -> Members:
        with self._lock:
            if self._opened is None:
                from ipam.etcd.members import Members

                self._opened = Members(self._settings)
            return self._opened
