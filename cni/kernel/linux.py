"""The running kernel; the only module that imports pyroute2."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeVar

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from cni.kernel import netns, rdma
from cni.kernel.interface import Namespace
from cni.kernel.netns import NetnsThread
from cni.kernel.rtnetlink import RtnetlinkNamespace
from cni.kernel.types import NetnsGoneError, kernel_errors

T = TypeVar("T")


class LinuxKernel:
    """The running kernel of this node; keeps the `Kernel` protocol.

    Not for a thread in which an asyncio event loop runs: pyroute2 runs one of its own.
    """

    def __init__(self) -> None:
        self.host = _HostNamespace(netns.HOST)

    @contextmanager
    def open(self, path: str) -> Iterator[RtnetlinkNamespace]:
        """Enter a namespace with a thread of its own (`nsenter --net=PATH`).

        As long as it is open, the namespace and its links outlive its last process and mount.
        """
        with NetnsThread() as thread:
            thread.enter(path)
            with closing(_EnteredNamespace(path, thread)) as namespace:
                yield namespace

    @contextmanager
    def search(self, wanted: Callable[[Namespace], bool]) -> Iterator[RtnetlinkNamespace | None]:
        """Enter one namespace after the other, until one is wanted.

        Raises:
            KernelError: none was, but some could not be looked at.
        """
        with NetnsThread() as thread:
            namespace = _enter_first(thread, wanted)
            if namespace is None:
                yield None
                return
            with closing(namespace):
                yield namespace

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

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        if not apart:
            return work()
        with NetnsThread() as thread:
            return thread.run(work)

    def _call(self, request: Callable[[IPRoute], T]) -> T:
        with _os_errors(), IPRoute(ext_ack=True) as rtnl:
            return request(rtnl)


class _EnteredNamespace(RtnetlinkNamespace):
    """One that a thread has entered; its socket lives in that thread, from the first request on."""

    def __init__(self, path: str, thread: NetnsThread) -> None:
        super().__init__(path)
        self._thread = thread
        self._rtnl: IPRoute | None = None

    def close(self) -> None:
        if self._rtnl is not None:
            self._thread.run(self._rtnl.close)

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        yield self._thread.fileno()

    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        del apart  # this thread serves nobody else
        return self._thread.run(work)

    def _call(self, request: Callable[[IPRoute], T]) -> T:
        with _os_errors():
            return self._thread.run(lambda: request(self._socket()))

    def _socket(self) -> IPRoute:
        if self._rtnl is None:
            self._rtnl = IPRoute(ext_ack=True)
        return self._rtnl


def _enter_first(
    thread: NetnsThread, wanted: Callable[[Namespace], bool]
) -> _EnteredNamespace | None:
    with kernel_errors("search all network namespaces"):
        for path in netns.reachable():
            try:
                thread.enter(path)
            except NetnsGoneError:
                continue  # it went while we looked
            with ExitStack() as unwanted:
                namespace = _EnteredNamespace(path, thread)
                unwanted.callback(namespace.close)
                if wanted(namespace):
                    unwanted.pop_all()
                    return namespace
    return None


@contextmanager
def _os_errors() -> Iterator[None]:
    """Raise pyroute2's own errors as the OSErrors that they stand for, with the kernel's words."""
    try:
        yield
    except NetlinkError as error:
        raise OSError(*error.args) from error
