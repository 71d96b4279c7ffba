"""Network namespaces: entering one in a thread of its own, recognising it, finding them all.

setns(2) moves one thread and not the process.  A thread that has entered a namespace never comes
back to the host's and never serves anybody else: if coming back failed, later work would silently
act on the wrong namespace.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Self, TypeAlias, TypeVar, cast

from netns import CLONE_NEWNET, setns

from cni.kernel.libc import CLONE_NEWNS, unshare
from cni.kernel.types import KernelError, NetnsGoneError, NetnsId, kernel_errors

HOST = "/proc/self/ns/net"
OWN = "/proc/thread-self/ns/net"
PROC = Path("/proc")
MOUNTS = PROC / "self/mountinfo"

_NS_GET_NSTYPE = 0xB703
_SO_NETNS_COOKIE = 71
# What opening something else than a namespace gives: nothing, a loop of links, a socket, a tty.
_GONE = frozenset({
    errno.ENOENT, errno.ENOTDIR, errno.ESRCH, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG,
})  # fmt: skip
# A line of mountinfo: id, parent, major:minor, root within the file system, mount point, …
_MOUNTED_NETNS = re.compile(r"\S+ \S+ (\d+):(\d+) net:\[(\d+)\] (\S+) ")
_OCTAL_ESCAPE = re.compile(r"\\([0-7]{3})")

T = TypeVar("T")
_Outcomes: TypeAlias = "SimpleQueue[tuple[Any, BaseException | None]]"
"""Where one piece of work leaves what it returned or raised."""


class NetnsThread:
    """A thread that enters network namespaces and works there.

    Work is handed over by queues: an executor's futures cost several times as much, and an ADD has
    twenty hand-overs.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Callable[[], object], _Outcomes] | None] = SimpleQueue()
        self._thread = Thread(target=self._serve, name="netns")
        self._descriptor = -1
        self._has_ended = False
        self._handing = Lock()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._handing:
            self._has_ended = True
            self._work.put(None)
        self._thread.join()
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def _serve(self) -> None:
        while given := self._work.get():
            work, outcomes = given
            try:
                outcomes.put((work(), None))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                outcomes.put((None, error))
            del given, work, outcomes  # what they hold is not ours to keep until the next

    def fileno(self) -> int:
        """Return the descriptor of the namespace that the thread is in."""
        return self._descriptor

    def run(self, work: Callable[[], T]) -> T:
        """Work in the thread; return or raise what the work does (ESRCH when it has ended)."""
        outcomes: _Outcomes = SimpleQueue()
        with self._handing:
            if self._has_ended:  # nobody would ever answer
                raise ProcessLookupError(errno.ESRCH, "the namespace has been left")
            self._work.put((work, outcomes))
        result, error = outcomes.get()
        if error is not None:
            try:
                raise error
            finally:
                error = None  # the traceback holds this frame, which would hold it
        return cast("T", result)

    def enter(self, path: str, passed: int | None = None) -> None:
        """Move the thread into another namespace (`nsenter --net=PATH`).

        Args:
            path: where it is.
            passed: a descriptor of it, where somebody else has opened the path; -1 if that failed.

        Raises:
            NetnsGoneError: the path is empty, absent, or no network namespace.
            KernelError: the kernel refused for another reason.
        """
        try:
            self.run(lambda: self._enter(path, passed))
        except OSError as error:
            # The kernel also denies the path of a process that is just ending (EACCES).
            is_gone = error.errno in _GONE or not os.path.lexists(path)
            kind = NetnsGoneError if is_gone else KernelError
            raise kind.of(f"nsenter --net={path}", error) from error

    def leave(self) -> None:
        """Move the thread into a namespace that is new (`unshare --net`; KernelError)."""
        with kernel_errors("unshare --net"):
            self.run(self._leave)

    def _leave(self) -> None:
        unshare(CLONE_NEWNET)
        self._descriptor = _open(OWN)

    def _enter(self, path: str, passed: int | None) -> None:
        descriptor = _open(path) if passed is None else _duplicate(passed)
        try:
            _require_network_namespace(descriptor)
            setns(descriptor, CLONE_NEWNET)
        except OSError:
            os.close(descriptor)
            raise
        previous, self._descriptor = self._descriptor, descriptor
        if previous >= 0:
            os.close(previous)


def enter_mounts(path: str) -> None:
    """Move the calling process into another mount namespace (`nsenter --mount=PATH`).

    Raises:
        OSError: what the kernel answered; a process of several threads is refused (EINVAL).
    """
    descriptor = _open(path)
    try:
        setns(descriptor, CLONE_NEWNS)
    finally:
        os.close(descriptor)


def identify(descriptor: int) -> NetnsId:
    """Return the identity of the namespace that the calling thread is in.

    Args:
        descriptor: of the same namespace.

    Raises:
        OSError: what the kernel answered.
    """
    status = os.fstat(descriptor)
    return NetnsId(status.st_dev, status.st_ino, _cookie())


def reachable() -> Iterator[str]:
    """Yield a path to every network namespace that is mounted or has a process, each one once.

    Raises:
        PermissionError: in the end, when the namespace of some process could not be looked at.
    """
    seen = set()
    for path, key in chain(_mounted(), _with_a_process()):
        if key not in seen and _is_at(path, *key):  # not where another mount hides this one
            seen.add(key)
            yield path


def _open(path: str) -> int:
    # O_NONBLOCK, so that a FIFO in the place of a namespace does not hold us up.
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)


def _duplicate(descriptor: int) -> int:
    if descriptor < 0:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 0)


def _require_network_namespace(descriptor: int) -> None:
    try:
        kind = fcntl.ioctl(descriptor, _NS_GET_NSTYPE)
    except OSError:
        kind = 0
    if kind != CLONE_NEWNET:
        raise FileNotFoundError(errno.ENOENT, "not a network namespace")


def _cookie() -> int:
    # Every kernel has unix sockets, and they belong to the network namespace too.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            cookie = probe.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8)
        except OSError as error:
            if error.errno != errno.ENOPROTOOPT:
                raise
            return 0
    return int.from_bytes(cookie, byteorder=sys.byteorder)


def _mounted() -> Iterator[tuple[str, tuple[int, int]]]:
    with MOUNTS.open(encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            if found := _MOUNTED_NETNS.match(line):
                major, minor, inode, path = found.groups()
                device = os.makedev(int(major), int(minor))
                yield _OCTAL_ESCAPE.sub(_unescape, path), (device, int(inode))


def _is_at(path: str, device: int, inode: int) -> bool:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (device, inode)


def _with_a_process() -> Iterator[tuple[str, tuple[int, int]]]:
    denied: list[tuple[Path, OSError]] = []
    seen = [Path("/proc/self")]
    for process in filter(lambda entry: entry.name.isdecimal(), PROC.iterdir()):
        path = process / "ns/net"
        try:
            status = path.stat()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended
        except PermissionError as error:
            denied.append((process, error))
            continue
        seen.append(process)
        yield str(path), (status.st_dev, status.st_ino)
    for process, refusal in denied:
        # One that ends while we look is denied, too (proc_ns_get_link).
        if process.exists() and not any(_share_netns(process, other) for other in seen):
            raise refusal


def _share_netns(process: Path, other: Path) -> bool:
    # ns/net needs ptrace rights, net/ does not, and its files differ between namespaces.
    try:
        return (process / "net/dev").samefile(other / "net/dev")
    except OSError:
        return False


def _unescape(octal: re.Match[str]) -> str:
    return chr(int(octal[1], 8))
