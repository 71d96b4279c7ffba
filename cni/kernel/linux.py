"""The running kernel."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from cni.kernel import netns, rdma
from cni.kernel.interface import Namespace
from cni.kernel.netns import NetnsThread
from cni.kernel.rtnetlink import RtnetlinkNamespace
from cni.kernel.types import NetnsGoneError, kernel_errors

T = TypeVar("T")
Around: TypeAlias = Callable[[Callable[[], Any]], Any]


class LinuxKernel:
    """The running kernel of this node; keeps the `Kernel` protocol.

    Args:
        passed: descriptors to be used instead of opening these paths; -1 for what is not there.
        around: does each piece of work in a namespace, in whatever thread: to time it.
    """

    def __init__(
        self, passed: Mapping[str, int] | None = None, around: Around = lambda work: work()
    ) -> None:
        self.host = _HostNamespace(netns.HOST, around)
        self._passed = passed or {}
        self._around = around

    @contextmanager
    def open(self, path: str) -> Iterator[RtnetlinkNamespace]:
        """Enter a namespace with a thread of its own (`nsenter --net=PATH`).

        As long as it is open, the namespace and its links outlive its last process and mount.
        """
        with NetnsThread() as thread:
            thread.enter(path, self._passed.get(path))
            yield _EnteredNamespace(path, thread, self._around)

    @contextmanager
    def search(self, wanted: Callable[[Namespace], bool]) -> Iterator[RtnetlinkNamespace | None]:
        """Enter one namespace after the other, until one is wanted.

        Raises:
            KernelError: none was, but some could not be looked at.
        """
        with NetnsThread() as thread:
            yield self._enter_first(thread, wanted)

    def _enter_first(
        self, thread: NetnsThread, wanted: Callable[[Namespace], bool]
    ) -> RtnetlinkNamespace | None:
        with kernel_errors("search all network namespaces"):
            for path in netns.reachable():
                try:
                    thread.enter(path)
                except NetnsGoneError:
                    continue  # it went while we looked
                namespace = _EnteredNamespace(path, thread, self._around)
                if wanted(namespace):
                    return namespace
        return None

    def rdma_is_exclusive(self) -> bool:
        """`rdma system show`."""
        with kernel_errors("rdma system show"):
            return rdma.is_exclusive()

    def boot_id(self) -> str:
        """Read `/proc/sys/kernel/random/boot_id`."""
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()

    def uptime(self) -> int:
        """Read CLOCK_BOOTTIME, in nanoseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


class _HostNamespace(RtnetlinkNamespace):
    """The host's; a socket per request, so that any thread may ask."""

    def __init__(self, path: str, around: Around) -> None:
        super().__init__(path)
        self._around = around

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        if not apart:
            return cast("T", self._around(work))
        with NetnsThread() as thread:
            return cast("T", thread.run(lambda: self._around(work)))


class _EnteredNamespace(RtnetlinkNamespace):
    """One that a thread has entered, which works for it."""

    def __init__(self, path: str, thread: NetnsThread, around: Around) -> None:
        super().__init__(path)
        self._thread = thread
        self._around = around

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        yield self._thread.fileno()

    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        del apart  # this thread serves nobody else
        return cast("T", self._thread.run(lambda: self._around(work)))
