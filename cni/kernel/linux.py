"""The running kernel."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from cni.kernel import netlink, netns, rdma
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
            with closing(_EnteredNamespace(path, thread, self._around)) as namespace:
                yield namespace

    @contextmanager
    def new_namespace(self) -> Iterator[RtnetlinkNamespace]:
        """Leave for a new namespace with a thread of its own; nothing is mounted (unshare(2))."""
        with NetnsThread() as thread:
            thread.leave()
            path = f"/proc/{os.getpid()}/fd/{thread.fileno()}"
            with closing(_EnteredNamespace(path, thread, self._around)) as namespace:
                yield namespace

    @contextmanager
    def search(self, wanted: Callable[[Namespace], bool]) -> Iterator[RtnetlinkNamespace | None]:
        """Enter one namespace after the other, until one is wanted.

        Raises:
            KernelError: none was, but some could not be looked at.
        """
        with NetnsThread() as thread:
            namespace = self._enter_first(thread, wanted)
            if namespace is None:
                yield None
                return
            with closing(namespace):
                yield namespace

    def _enter_first(
        self, thread: NetnsThread, wanted: Callable[[Namespace], bool]
    ) -> _EnteredNamespace | None:
        with kernel_errors("search all network namespaces"):
            for path in netns.reachable():
                try:
                    thread.enter(path)
                except NetnsGoneError:
                    continue  # it went while we looked
                with ExitStack() as unwanted:
                    namespace = unwanted.enter_context(
                        closing(_EnteredNamespace(path, thread, self._around))
                    )
                    if wanted(namespace):
                        unwanted.pop_all()
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

    def _ask(self, request: bytes, *, strictly: bool) -> list[bytes]:
        return self._run(lambda: netlink.ask(netlink.ROUTE, request, strictly=strictly))


class _EnteredNamespace(RtnetlinkNamespace):
    """One that a thread has entered, which works for it.

    It has opened a socket there, which asks of that namespace in whatever thread: without a
    hand-over.  For one thread at a time.
    """

    def __init__(self, path: str, thread: NetnsThread, around: Around) -> None:
        super().__init__(path)
        self._thread = thread
        self._around = around
        self._asker: socket.socket | None = None
        self._is_strict = False

    def close(self) -> None:
        """Let go of the socket."""
        asker, self._asker, self._is_strict = self._asker, None, False
        if asker:
            asker.close()

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        yield self._thread.fileno()

    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        del apart  # this thread serves nobody else
        return cast("T", self._thread.run(lambda: self._around(work)))

    def _ask(self, request: bytes, *, strictly: bool) -> list[bytes]:
        if self._asker is None:
            self._asker = self._thread.run(lambda: netlink.open_asker(netlink.ROUTE))
        if strictly != self._is_strict:
            netlink.be_strict(self._asker, strictly=strictly)
            self._is_strict = strictly
        asker = self._asker
        try:
            return cast("list[bytes]", self._around(lambda: netlink.exchange(asker, request)))
        except BaseException:
            self.close()  # the rest of an answer may be on its way
            raise
