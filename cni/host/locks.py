"""Locks between processes and threads, held on files that are never unlinked.

`flock` and not `lockf`: it also excludes the threads of one process.  The order is container →
device → registry → journal; who takes a later one never asks for an earlier one.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cni.host.paths import private_folder
from cni.protocol.errors import CniError, Code

_SHARDS = 1024
"""Containers come and go, and names are invented: they share a fixed number of files."""
PATIENCE = 60.0
"""Seconds to wait for a lock; kubelet gives a whole pod 4 minutes."""
_SUSPICIOUS = 0.5
"""Seconds of waiting, after each of which it is looked who has the lock."""
_QUEUES: dict[Path, threading.Lock] = {}
"""By lock file, where this process's threads wait for each other: without polling."""


_HELD = threading.local()


def held() -> tuple[int, ...]:
    """Return the locks of this thread: a child that inherits them keeps them if it outlives us."""
    return tuple(getattr(_HELD, "descriptors", ()))


class Locks:
    """The lock files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def container(self, container_id: str, patience: float = PATIENCE) -> Iterator[None]:
        """Serve one request of a container at a time.

        Raises:
            CniError: code 11, when another request held it for longer than `patience` seconds.
        """
        with self._hold(f"container-{_shard(container_id)}", patience):
            yield

    @contextmanager
    def device(self, name: str, patience: float = PATIENCE) -> Iterator[None]:
        """Let one request at a time decide who holds a device (code 11 as above)."""
        with self._hold(f"device-{_shard(name)}", patience):
            yield

    @contextmanager
    def journal(self, patience: float = PATIENCE) -> Iterator[None]:
        """Let one transaction at a time change the journal (code 11 as above)."""
        with self._hold("journal", patience):
            yield

    @contextmanager
    def registry(self, patience: float = PATIENCE) -> Iterator[None]:
        """Let one process at a time deal with the registry of addresses (code 11 as above)."""
        with self._hold("registry", patience):
            yield

    @contextmanager
    def host_routes(self, patience: float = PATIENCE) -> Iterator[None]:
        """Let one request at a time prove peers and change the host's routes (code 11 as above).

        Whoever has it asks for none of the others.
        """
        with self._hold("hostgw", patience):
            yield

    @contextmanager
    def installation(self, patience: float = PATIENCE) -> Iterator[None]:
        """Let one installer at a time change what is installed (code 11 as above).

        Whoever has it asks for the journal's at most.
        """
        with self._hold("installation", patience):
            yield

    @contextmanager
    def upkeep(self) -> Iterator[bool]:
        """Keep others from the upkeep of addresses; tell whether nobody else is at it, at once."""
        descriptor = self._open("upkeep")
        try:
            yield _try(descriptor)
        finally:
            os.close(descriptor)

    def is_upkeep_running(self) -> bool:
        """Tell whether somebody is at the upkeep of addresses just now."""
        with self.upkeep() as alone:
            return not alone

    @contextmanager
    def _hold(self, name: str, patience: float) -> Iterator[None]:
        file, begun = self._folder / name, time.monotonic()
        queue = _QUEUES.get(file) or _QUEUES.setdefault(file, threading.Lock())
        if not queue.acquire(timeout=patience):
            raise _held_too_long(file, patience)
        try:
            descriptor = self._open(name)
            try:
                _acquire(descriptor, file, begun, patience)
                before = held()
                _HELD.descriptors = (*before, descriptor)
                try:
                    yield
                finally:
                    _HELD.descriptors = before
                    fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for who has inherited it
            finally:
                os.close(descriptor)
        finally:
            queue.release()

    def _open(self, name: str) -> int:
        file = private_folder(self._folder) / name
        return os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _shard(name: str) -> str:
    return f"{zlib.crc32(name.encode()) % _SHARDS:03x}"


def _acquire(descriptor: int, file: Path, begun: float, patience: float) -> None:
    """Take an exclusive lock; poll, since `flock` itself knows no deadline."""
    pause, suspicious = 0.0005, begun + _SUSPICIOUS
    while not _try(descriptor):
        now = time.monotonic()
        if now >= suspicious:
            from cni.host.holder import refuse_stopped

            refuse_stopped(descriptor, file)
            suspicious = now + _SUSPICIOUS
        if now >= begun + patience:
            raise _held_too_long(file, patience)
        time.sleep(pause)
        pause = min(pause * 2, 0.02)


def _held_too_long(file: Path, patience: float) -> CniError:
    return CniError(
        Code.TRY_AGAIN,
        f"another request has held {file} for {patience:g} s",
        f"see who holds it: lslocks | grep {file.name}",
    )


def _try(descriptor: int) -> bool:
    """Take an exclusive lock if nobody has it; tell whether it was taken."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
