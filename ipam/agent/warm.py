"""rail-ipam kept warm: what a process of its own opens, kept open for many requests at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from cni.delegate.interface import Allocation, Ipam
from cni.host.locks import Locks
from cni.host.paths import Paths
from ipam import adding, answer, config, requested  # noqa: F401 - so that no request has to
from ipam.plugin import RailIpam, Sandbox, Standalone, make_ipam
from ipam.wiring import Wiring

if TYPE_CHECKING:
    from cni.protocol.request import Request

Wanted: TypeAlias = Callable[[], bool]
Stamp: TypeAlias = tuple[int, int, int, int] | None
"""What changes when a file does, or who may write it; None where there is none."""


@dataclass(slots=True)
class _Wired:
    """A wiring, and how many use it."""

    stamp: Stamp
    wiring: Wiring
    ipam: RailIpam
    users: int = 0


class WarmIpam:
    """rail-ipam for any number of threads (`cni.delegate.interface.Ipam`).

    When the node file has changed, the next request begins with new parts; who is still at work
    ends with the old ones, which are closed by the last of them.

    Args:
        paths: the node's files.
        tend: sees to it that the registry is told what has changed, and waits for nothing.
        wire: makes the node's parts, which stay open.
    """

    def __init__(
        self,
        paths: Paths,
        tend: Callable[[], None],
        wire: Callable[[], Wiring] | None = None,
    ) -> None:
        self._paths = paths
        self._locks = Locks(paths.locks)
        self._tend = tend
        self._wire = wire or (lambda: Wiring(paths, keep_open=True))
        self._lock = threading.Lock()
        self._current: _Wired | None = None
        self._stale = False

    def ipam(self, request: Request) -> Ipam:
        """Return the IPAM plugin for a main plugin's request.

        One whose runtime has other folders gets what its own process would have made.
        """
        return self if Paths.of(request.environ) == self._paths else make_ipam(request)

    def plugin(self, request: Request, sandbox: Sandbox, is_wanted: Wanted) -> Standalone:
        """Return rail-ipam as a program of its own, for one request.

        Args:
            request: whose folders are the node's.
            sandbox: the network namespace that it is about, None where that is not known.
            is_wanted: tells whether its runtime still waits for it.
        """
        return Standalone(self.ipam(request), self._locks, lambda _: sandbox, is_wanted)

    def reload(self) -> None:
        """Make all parts anew for the next request, whether the node file has changed or not.

        It takes no lock: a signal may come while its thread has it.
        """
        self._stale = True

    def close(self) -> None:
        """Let go of what is kept open; who is still at work keeps it until it ends."""
        with self._lock:
            former, self._current = self._current, None
            unused = former if former and not former.users else None
        if unused:
            unused.wiring.close()

    @contextmanager
    def using(self) -> Iterator[Wiring]:
        """Use the node's parts as the node file has them now."""
        with self._use() as wired:
            yield wired.wiring

    # ── the verbs ─────────────────────────────────────────────────────────────────────────────

    def allocate(self, request: Request) -> Allocation:
        """Give this attachment its addresses (ADD)."""
        with self._use() as wired:
            return wired.ipam.allocate(request)

    def release(self, request: Request) -> None:
        """Take this attachment's addresses back (DEL)."""
        with self._use() as wired:
            wired.ipam.release(request)

    def check(self, request: Request) -> None:
        """Raise unless this attachment holds the addresses of `prevResult` (CHECK)."""
        with self._use() as wired:
            wired.ipam.check(request)

    def collect(self, request: Request) -> None:
        """Take back what this network's dead attachments hold (GC)."""
        with self._use() as wired:
            wired.ipam.collect(request)

    def status(self, request: Request) -> None:
        """Raise when `allocate` would fail (STATUS)."""
        with self._use() as wired:
            wired.ipam.status(request)

    # ── how ───────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _use(self) -> Iterator[_Wired]:
        wired = self._begin()
        try:
            yield wired
        finally:
            self._end(wired)

    def _begin(self) -> _Wired:
        former = None
        with self._lock:
            # Before the file is read: what is read may be newer than the stamp, never older.
            stamp, wired = _stamp(self._paths.node_file), self._current
            if wired is None or wired.stamp != stamp or self._stale:
                self._stale = False
                former, wired = wired, self._make(stamp)
                self._current = wired
            unused = former if former and not former.users else None
            wired.users += 1
        if unused:
            unused.wiring.close()
        return wired

    def _make(self, stamp: Stamp) -> _Wired:
        wiring = self._wire()
        return _Wired(stamp, wiring, RailIpam(wiring, self._tend))

    def _end(self, wired: _Wired) -> None:
        with self._lock:
            wired.users -= 1
            last = not wired.users and wired is not self._current
        if last:
            wired.wiring.close()


def _stamp(file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError:
        return None
    # The time of the last change of the file or of its permissions.
    return status.st_dev, status.st_ino, status.st_size, status.st_ctime_ns
