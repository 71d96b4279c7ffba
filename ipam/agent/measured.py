"""How etcd answers: counted and timed at the one place where it is asked."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from ipam.etcd.errors import DeniedError, EtcdError, UnavailableError
from ipam.etcd.interface import Batch, Etcd, Get, Keys, Listing, Outcome, Txn
from ipam.etcd.settings import Settings

OUTCOMES = ("answered", "denied", "refused", "unavailable")


class Meter:
    """What became of the calls of all threads.

    Args:
        clock: tells a time in seconds that never goes back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self._seconds = 0.0
        self._is_up: bool | None = None

    @contextmanager
    def call(self) -> Iterator[None]:
        """Measure one call."""
        begun, outcome = self._clock(), "answered"
        try:
            yield
        except UnavailableError:
            outcome = "unavailable"
            raise
        except DeniedError:
            outcome = "denied"
            raise
        except EtcdError:
            outcome = "refused"
            raise
        finally:
            with self._lock:
                self._calls[outcome] += 1
                self._seconds += self._clock() - begun
                self._is_up = outcome in {"answered", "refused"}

    @property
    def calls(self) -> dict[str, int]:
        """How many calls had which outcome."""
        with self._lock:
            return dict(self._calls)

    @property
    def seconds(self) -> float:
        """How long all of them took together."""
        with self._lock:
            return self._seconds

    @property
    def is_up(self) -> bool | None:
        """Whether the last call was answered; None before the first."""
        return self._is_up


def measured(connect: Callable[[Settings], Etcd], meter: Meter) -> Callable[[Settings], Etcd]:
    """Return what connects to stores whose calls are measured."""
    return lambda settings: MeasuredEtcd(connect(settings), meter)


class MeasuredEtcd:
    """A store whose calls are measured (`ipam.etcd.interface.Etcd`)."""

    def __init__(self, etcd: Etcd, meter: Meter) -> None:
        self._etcd = etcd
        self._meter = meter

    def get(self, get: Get, within: float) -> Listing:
        """Read."""
        with self._meter.call():
            return self._etcd.get(get, within)

    def txn(self, txn: Txn, within: float) -> Outcome:
        """Do a transaction."""
        with self._meter.call():
            return self._etcd.txn(txn, within)

    def grant(self, seconds: int, within: float) -> int:
        """Make a lease."""
        with self._meter.call():
            return self._etcd.grant(seconds, within)

    def keep_alive(self, lease: int, within: float) -> int:
        """Let a lease run its whole time again."""
        with self._meter.call():
            return self._etcd.keep_alive(lease, within)

    def revoke(self, lease: int, within: float) -> None:
        """End a lease and delete its keys."""
        with self._meter.call():
            self._etcd.revoke(lease, within)

    def watch(self, keys: Keys, after: int) -> AbstractContextManager[Iterator[Batch]]:
        """Follow keys: it waits on purpose, and is not measured."""
        return self._etcd.watch(keys, after)

    def close(self) -> None:
        """End all connections."""
        self._etcd.close()
