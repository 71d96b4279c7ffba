"""News of a network namespace: the part of the kernel's contract that is about changes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from enum import Enum
from typing import Protocol


class News(Enum):
    """What something has changed in (`ip monitor`)."""

    LINK = "link"
    ADDRESS = "address"
    ROUTE = "route"
    RULE = "rule"
    NEIGHBOUR = "neighbour"
    """Of permanent neighbours, and of a tunnel's forwarding entries."""


class Watch(Protocol):
    """An open subscription."""

    def fileno(self) -> int:
        """Return what becomes readable when there is news."""
        ...

    def read(self) -> frozenset[News]:
        """Return what has changed since the last time, without waiting.

        All of it when more has come than the kernel could keep: then nobody knows.
        """
        ...


class Watching(Protocol):
    """What a network namespace tells of itself."""

    def watch(self) -> AbstractContextManager[Watch]:
        """Subscribe to what changes from now on, in either family."""
        ...
