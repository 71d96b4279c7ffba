"""What the registry is still to be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ipam.blocks import Dirty, Single

if TYPE_CHECKING:
    import sqlite3

    from ipam.ranges import Span


class Outbox:
    """What a transaction knows of the outbox."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor]) -> None:
        self._execute = execute

    def mark(self, fabric: str, slot: int) -> None:
        """Note that a slot's claim has changed; a note before it is replaced."""
        self._execute("INSERT OR REPLACE INTO outbox (fabric, slot) VALUES (?, ?)", (fabric, slot))

    def mark_all(self, fabric: str, span: Span) -> None:
        """Note that the mirror may be wrong about every slot of a run."""
        for slot in range(span.first, span.last + 1):
            self.mark(fabric, slot)

    def first(self, limit: int) -> list[Dirty]:
        """Return the oldest notes."""
        rows = self._execute("SELECT seq, fabric, slot FROM outbox ORDER BY seq LIMIT ?", (limit,))
        return [Dirty(*row) for row in rows]

    def settle(self, told: Iterable[Dirty]) -> None:
        """Drop notes, unless the slot has changed once more since they were read."""
        for note in told:
            self._execute("DELETE FROM outbox WHERE seq = ?", (note.seq,))

    def count(self) -> int:
        """Return how many notes there are: counts them."""
        return int(self._execute("SELECT count(*) FROM outbox").fetchone()[0])

    def empty(self) -> bool:
        """Tell whether there is nothing to tell."""
        return self._execute("SELECT 1 FROM outbox LIMIT 1").fetchone() is None

    def touches(self, fabric: str, span: Span) -> bool:
        """Tell whether a note is about a slot of a run."""
        row = self._execute(
            "SELECT 1 FROM outbox WHERE fabric = ? AND slot BETWEEN ? AND ? LIMIT 1",
            (fabric, span.first, span.last),
        )
        return row.fetchone() is not None

    # ── addresses claimed one by one ──────────────────────────────────────────────────────────

    def put_single(self, single: Single) -> None:
        """Note that an address is claimed by itself, so that its release is not forgotten."""
        self._execute(
            "INSERT OR REPLACE INTO singles VALUES (?, ?, ?, ?, ?)",
            (single.fabric, single.slot, single.container_id, single.sticky, single.ttl),
        )

    def singles(self, fabric: str, slot: int) -> list[Single]:
        """Return the claims on a slot by itself that are not released yet."""
        rows = self._execute(
            "SELECT fabric, slot, container, sticky, ttl FROM singles"
            " WHERE fabric = ? AND slot = ?",
            (fabric, slot),
        )
        return [Single(*row) for row in rows]

    def all_singles(self) -> list[Single]:
        """Return every claim on an address by itself that is not released yet."""
        rows = self._execute("SELECT fabric, slot, container, sticky, ttl FROM singles")
        return [Single(*row) for row in rows]

    def drop_single(self, single: Single) -> None:
        """Forget a claim whose release the registry knows."""
        self._execute(
            "DELETE FROM singles WHERE fabric = ? AND slot = ? AND container = ?",
            (single.fabric, single.slot, single.container_id),
        )
