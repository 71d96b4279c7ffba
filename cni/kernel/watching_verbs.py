"""What a namespace of the running kernel tells of itself, by an rtnetlink socket."""

from __future__ import annotations

import errno
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from cni.kernel import netlink
from cni.kernel.types import kernel_errors
from cni.kernel.watching import News, Watch

if TYPE_CHECKING:
    from cni.kernel.news_messages import Reader

T = TypeVar("T")

_ROOM = 1 << 21
"""Octets; a few thousand notifications, as of the routes of a large cluster."""
_AT_ONCE = 10_000
"""Notifications that are read before somebody else gets a turn."""


class WatchingVerbs(ABC):
    """What a namespace of the running kernel tells of itself."""

    @abstractmethod
    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        """Work in a thread that is in the namespace."""

    @abstractmethod
    def _dump(
        self, request: bytes, words: str, index: int = 0, *, narrow: bool = False
    ) -> list[bytes]:
        """Read a whole table."""

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """`ip monitor link address route rule neigh`."""
        from cni.kernel import news_messages

        with kernel_errors("ip monitor"):
            listener = self._run(lambda: netlink.open_listener(news_messages.GROUPS, _ROOM))
        with listener:
            yield _Subscription(
                listener,
                news_messages.Reader(),
                lambda: self._dump(news_messages.neighbours_request(), "neighbour show"),
            )


class _Subscription:
    """An open one; keeps the `Watch` protocol.

    Args:
        listener: the socket.
        reader: tells what notifications are about.
        list_neighbours: reads those of all links.
    """

    def __init__(
        self, listener: socket.socket, reader: Reader, list_neighbours: Callable[[], list[bytes]]
    ) -> None:
        self._listener = listener
        self._list_neighbours = list_neighbours
        self._reader = reader
        self._reader.remember(list_neighbours())

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._listener.fileno()

    def read(self) -> frozenset[News]:
        """recvfrom(2), until there is no more."""
        found: set[News] = set()
        lost = False
        with kernel_errors("ip monitor"):
            for _ in range(_AT_ONCE):
                try:
                    found |= self._reader.read(netlink.hear(self._listener))
                except BlockingIOError:
                    break
                except OSError as error:
                    if error.errno != errno.ENOBUFS:
                        raise
                    lost = True
        if lost:
            self._reader.remember(self._list_neighbours())
        return frozenset(News) if lost else frozenset(found)
