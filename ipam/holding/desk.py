"""One deal with the registry at a time, between what the journal says before and after it.

No lock of the journal is held while the registry is waited for: pods stop, and start in blocks that
the node has, whatever becomes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TypeAlias

from ipam.blocks import Session
from ipam.definition import Definition
from ipam.journal.file import Journal
from ipam.journal.transaction import Moment, Transaction
from ipam.registry.interface import Registry, Singles


@dataclass(frozen=True, slots=True)
class Connection:
    """A registry, and what it has for addresses claimed one by one."""

    registry: Registry
    singles: Singles | None


Connect: TypeAlias = Callable[[Session, float], AbstractContextManager[Connection]]
"""Makes a connection for a journal's session, for at most so many seconds."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a node deals with the registry."""

    open_journal: Callable[[], AbstractContextManager[Journal]]
    lock: Callable[[float], AbstractContextManager[None]]
    """Lets one process at a time deal; waits for at most so many seconds."""
    connect: Connect
    definitions: Mapping[str, Definition]
    """The shared fabrics that the node file declares."""
    now: Callable[[], Moment]
    patience: float = 5.0
    """Seconds that one deal may take, as well as the wait for it."""

    def fabrics(self) -> list[str]:
        """Return the shared fabrics that the journal knows and the node file declares."""
        with self.keep() as tx:
            return [name for name in tx.blocks.shared_fabrics() if name in self.definitions]

    @contextmanager
    def deal(self) -> Iterator[Connection]:
        """Connect, and keep where the journal then stands, also when the deal fails."""
        with self.lock(self.patience):
            with self.keep() as tx:
                session = tx.blocks.session()
            before = replace(session)
            try:
                with self.connect(session, self.patience) as connection:
                    yield connection
            finally:
                with self.keep() as tx:
                    # A journal that was put aside meanwhile stands elsewhere than its successor.
                    same = tx.blocks.session().journal_id == session.journal_id
                    if same and session != before:  # who asked nothing writes nothing
                        tx.blocks.put_session(session)

    @contextmanager
    def keep(self, *, synced: bool = False) -> Iterator[Transaction]:
        """Open the journal for one transaction (`Journal.transaction`)."""
        with self.open_journal() as journal, journal.transaction(synced=synced) as tx:
            yield tx
