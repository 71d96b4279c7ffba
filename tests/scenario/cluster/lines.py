"""A node's line to etcd, on which its processes can be killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from ipam.etcd.errors import UnavailableError
from ipam.journal.file import Journal
from ipam.wiring import Wiring
from tests.etcd.unreliable import Call, Fault, Unreliable

_T = TypeVar("_T")


class KilledError(BaseException):
    """The process was killed: nothing of it runs any more, no `except Exception` catches it."""


@dataclass
class Life:
    """Of one process."""

    ended: bool = False

    def end(self) -> None:
        self.ended = True
        raise KilledError


@dataclass(frozen=True)
class Process(Wiring):
    """One process of a node: what a killed one still unwinds leaves no trace in the journal."""

    life: Life = field(default_factory=Life)

    @contextmanager
    def journal(self) -> Iterator[Journal]:
        if self.life.ended:
            raise KilledError
        with super().journal() as journal:
            yield journal


class Line(Unreliable):
    """A line that can be cut, and on which each call can be the last of its process."""

    def __init__(self, store: Unreliable) -> None:
        super().__init__(store)
        self.life = Life()
        self.killing: Fault | None = None
        self.kill_at = -1
        self.down = False
        self.decide = lambda _: Fault.BEFORE if self.down else None

    def kill(self, at: int, fault: Fault) -> None:
        """Kill the process that makes the call of this number, counted from now."""
        self.kill_at, self.killing = len(self.calls) + at, fault

    def spare(self) -> None:
        """Kill nobody."""
        self.kill_at = -1

    def _do(self, call: Call, do: Callable[[], _T]) -> _T:
        if len(self.calls) != self.kill_at or self.killing is None:
            return super()._do(call, do)
        self.script.insert(0, self.killing)
        try:
            return super()._do(call, do)
        except UnavailableError:
            self.life.end()
            raise
