"""A store whose calls fail as a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, TypeVar

from ipam.etcd.errors import EtcdError, UnavailableError
from ipam.etcd.interface import Batch, Etcd, Get, Keys, Listing, Outcome, Txn

_T = TypeVar("_T")


class Fault(Enum):
    """What becomes of a call for which UnavailableError is raised."""

    BEFORE = "it is not done"
    AFTER = "it is done, and the answer is lost"
    LATER = "it is done when the test says so"


@dataclass(frozen=True, slots=True)
class Call:
    """A call as it was made."""

    name: str
    """Of the method."""
    asked: Get | Txn | int
    """The lease or its seconds, of the calls about leases."""


Decide: TypeAlias = Callable[[Call], Fault | None]


class Unreliable:
    """A store before another one, which fails calls; several may stand before the same one.

    Calls fail first as `script` says, one fault or None for each, then as `decide` says.

    Args:
        store: what is asked in the end.
    """

    def __init__(self, store: Etcd) -> None:
        self._store = store
        self.script: list[Fault | None] = []
        self.decide: Decide = lambda _: None
        self.calls: list[Call] = []
        """All that were made, failed ones too."""
        self._late: list[Callable[[], object]] = []

    def late(self) -> list[object]:
        """Do what was put off, in its order; return the answers, and the errors it met."""
        late, self._late = self._late, []
        return [_answer(call) for call in late]

    def drop_late(self) -> None:
        """Forget what was put off, as if it had never left."""
        self._late.clear()

    def _do(self, call: Call, do: Callable[[], _T]) -> _T:
        self.calls.append(call)
        fault = self.script.pop(0) if self.script else self.decide(call)
        if fault is None:
            return do()
        if fault is Fault.AFTER:
            do()
        elif fault is Fault.LATER:
            self._late.append(do)
        raise UnavailableError(f"no endpoint answered: {call.name}", ("unreliable",))

    def get(self, get: Get, within: float) -> Listing:
        return self._do(Call("get", get), lambda: self._store.get(get, within))

    def txn(self, txn: Txn, within: float) -> Outcome:
        return self._do(Call("txn", txn), lambda: self._store.txn(txn, within))

    def grant(self, seconds: int, within: float) -> int:
        return self._do(Call("grant", seconds), lambda: self._store.grant(seconds, within))

    def keep_alive(self, lease: int, within: float) -> int:
        return self._do(Call("keep_alive", lease), lambda: self._store.keep_alive(lease, within))

    def revoke(self, lease: int, within: float) -> None:
        self._do(Call("revoke", lease), lambda: self._store.revoke(lease, within))

    def watch(self, keys: Keys, after: int) -> AbstractContextManager[Iterator[Batch]]:
        """Follow keys; a watch does not fail, it waits."""
        return self._store.watch(keys, after)

    def close(self) -> None:
        """Close what is behind."""
        self._store.close()


def _answer(call: Callable[[], object]) -> object:
    try:
        return call()
    except EtcdError as error:
        return error
