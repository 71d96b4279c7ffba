"""The free slots of a node: fresh, or resting after their release."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipam.ranges import Span, Spans

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class Freed:
    """A slot that rests, in the order of release."""

    slot: int
    freed_at: int
    """Nanoseconds of this boot's CLOCK_BOOTTIME."""


class Pool:
    """What a transaction knows of free slots."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor]) -> None:
        self._execute = execute

    def fresh_run(self, fabric: str, slot: int) -> Span | None:
        """Return the lowest run of fresh slots that does not end below `slot`."""
        row = self._execute(
            "SELECT first, last FROM fresh WHERE fabric = ? AND last >= ? ORDER BY last LIMIT 1",
            (fabric, slot),
        ).fetchone()
        return Span(*row) if row else None

    def freed(self, fabric: str) -> Iterator[Freed]:
        """Yield what rests, least recently freed first; reads only as far as it is asked."""
        for row in self._execute(
            "SELECT slot, freed_at FROM freed WHERE fabric = ? ORDER BY seq", (fabric,)
        ):
            yield Freed(*row)

    def rests(self, fabric: str, ready_at: int) -> bool:
        """Tell whether anything was freed in a fabric after a time (ns)."""
        latest = "SELECT freed_at FROM freed WHERE fabric = ? ORDER BY seq DESC LIMIT 1"
        row = self._execute(latest, (fabric,)).fetchone()
        return row is not None and int(row[0]) > ready_at

    def rests_in(self, fabric: str, span: Span, ready_at: int) -> bool:
        """Tell whether anything in a run was freed after a time (ns)."""
        row = self._execute(
            "SELECT 1 FROM freed WHERE fabric = ? AND slot BETWEEN ? AND ? AND freed_at > ?"
            " LIMIT 1",
            (fabric, span.first, span.last, ready_at),
        )
        return row.fetchone() is not None

    def fresh_runs(self, fabric: str) -> Spans:
        """Return all runs of fresh slots."""
        rows = self._execute("SELECT first, last FROM fresh WHERE fabric = ? ORDER BY 1", (fabric,))
        return tuple(Span(*row) for row in rows)

    def count_freed(self, fabric: str, span: Span, ready_at: int) -> tuple[int, int]:
        """Count what was freed in a run: by a time (ns), and after it."""
        early, late = self._execute(
            "SELECT total(freed_at <= ?1), total(freed_at > ?1) FROM freed"
            " WHERE fabric = ?2 AND slot BETWEEN ?3 AND ?4",
            (ready_at, fabric, span.first, span.last),
        ).fetchone()
        return int(early), int(late)

    def wake(self, fabric: str, slot: int) -> None:
        """Make a slot that rested fresh again, in one run with its neighbours."""
        self._execute("DELETE FROM freed WHERE fabric = ? AND slot = ?", (fabric, slot))
        above = self.fresh_run(fabric, slot)
        last = above.last if above and above.first == slot + 1 else slot
        below = self._execute(
            "SELECT first FROM fresh WHERE fabric = ? AND last = ?", (fabric, slot - 1)
        ).fetchone()
        self._execute(
            "DELETE FROM fresh WHERE fabric = ? AND last IN (?, ?)", (fabric, slot - 1, last)
        )
        self.add(fabric, below[0] if below else slot, last)

    def add(self, fabric: str, first: int, last: int) -> None:
        """Make a run of slots fresh that were not the node's; nothing when it is empty."""
        if first <= last:
            self._execute("INSERT INTO fresh VALUES (?, ?, ?)", (fabric, last, first))

    def rest(self, fabric: str, slot: int, freed_at: int) -> None:
        """Let a slot rest from a time (ns) on."""
        freed = "INSERT INTO freed (fabric, slot, freed_at) VALUES (?, ?, ?)"
        self._execute(freed, (fabric, slot, freed_at))

    def take(self, fabric: str, slot: int) -> None:
        """Take a slot out (LookupError when it is not free on this node)."""
        taken = "DELETE FROM freed WHERE fabric = ? AND slot = ?"
        if self._execute(taken, (fabric, slot)).rowcount:
            return
        run = self.fresh_run(fabric, slot)
        if run is None or run.first > slot:
            raise LookupError(f"slot {slot} of fabric {fabric} is not free on this node")
        self._execute("DELETE FROM fresh WHERE fabric = ? AND last = ?", (fabric, run.last))
        self.add(fabric, run.first, slot - 1)
        self.add(fabric, slot + 1, run.last)

    def withdraw(self, fabric: str, span: Span) -> None:
        """Take all free slots of a run out."""
        self._execute(
            "DELETE FROM freed WHERE fabric = ? AND slot BETWEEN ? AND ?",
            (fabric, span.first, span.last),
        )
        while (run := self.fresh_run(fabric, span.first)) and run.first <= span.last:
            self._execute("DELETE FROM fresh WHERE fabric = ? AND last = ?", (fabric, run.last))
            self.add(fabric, run.first, span.first - 1)
            self.add(fabric, span.last + 1, run.last)
