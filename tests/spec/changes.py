"""What the kernel tells of changes in network namespaces, as `ip monitor` shows it."""

from __future__ import annotations

import selectors
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from netns import NetNS

from tests.spec.node import PATIENCE, Namespace

_LINKS, _ADDRESSES, _ROUTES, _RULES = (1,), (5, 9), (7, 11), (8, 19)
"""Multicast groups of rtnetlink(7), those of IPv4 before those of IPv6."""


class Changes:
    """The changes of links, addresses, routes and rules in some namespaces, one after the other."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector

    @classmethod
    @contextmanager
    def of(cls, namespaces: Iterable[Namespace]) -> Iterator[Self]:
        """Begin to listen."""
        groups = sum(1 << group - 1 for group in (*_LINKS, *_ADDRESSES, *_ROUTES, *_RULES))
        with ExitStack() as opened:
            selector = opened.enter_context(selectors.DefaultSelector())
            for namespace in namespaces:
                with NetNS(nspath=namespace.path):
                    told = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
                opened.enter_context(told)
                told.bind((0, groups))
                selector.register(told, selectors.EVENT_READ)
            yield cls(selector)

    def count(self) -> int:
        """Return how many there were that nobody has asked for."""
        return sum(1 for _ in self._pending(0))

    def wait(self, number: int, process: subprocess.Popen[str]) -> None:
        """Return at once after so many more, or when the process has ended."""
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            for _ in self._pending(0.01):
                number -= 1
                if number <= 0:
                    return

    def _pending(self, seconds: float) -> Iterator[None]:
        while ready := self._selector.select(seconds):
            for key, _ in ready:
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.recv(65536)
                yield
