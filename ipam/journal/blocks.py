"""The blocks of a node, and where its dealings with the registry stand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ipam.blocks import Block, Intent, Session, State, Tenure
from ipam.ranges import Span

if TYPE_CHECKING:
    import sqlite3

    from ipam.journal.pool import Pool

_COLUMNS = "fabric, first, last, epoch, revision, state"


class Blocks:
    """What a transaction knows of blocks; the pool follows their states."""

    def __init__(self, execute: Callable[..., sqlite3.Cursor], pool: Pool) -> None:
        self._execute = execute
        self._pool = pool

    # ── fabrics ───────────────────────────────────────────────────────────────────────────────

    def shared(self, fabric: str) -> bool:
        """Tell whether a fabric's blocks are the cluster's, not all this node's own."""
        row = self._execute("SELECT shared FROM fabrics WHERE name = ?", (fabric,)).fetchone()
        return row is not None and bool(row[0])

    def share(self, fabric: str) -> None:
        """Turn a fabric that was this node's own into a shared one, without blocks."""
        self._execute("UPDATE fabrics SET shared = 1, confirmed = '' WHERE name = ?", (fabric,))
        for tenure in self.of(fabric):
            self.drop(tenure.block)
        rows = self._execute("SELECT slot FROM claims WHERE fabric = ?", (fabric,)).fetchall()
        for (slot,) in rows:
            self._execute(
                "INSERT OR REPLACE INTO outbox (fabric, slot) VALUES (?, ?)", (fabric, slot)
            )

    def shared_fabrics(self) -> list[str]:
        """Return the names of all shared fabrics."""
        rows = self._execute("SELECT name FROM fabrics WHERE shared = 1 ORDER BY name")
        return [name for (name,) in rows]

    def usable(self, fabric: str, boot_id: str) -> bool:
        """Tell whether the node may give out slots of its blocks of a fabric, if it has any."""
        row = self._execute(
            "SELECT 1 FROM fabrics WHERE name = ? AND (shared = 0 OR confirmed = ?)"
            " AND EXISTS (SELECT 1 FROM blocks WHERE fabric = name)",
            (fabric, boot_id),
        )
        return row.fetchone() is not None

    def confirmed(self, fabric: str, boot_id: str) -> bool:
        """Tell whether the registry has confirmed this node's blocks of a fabric in this boot."""
        row = self._execute("SELECT confirmed FROM fabrics WHERE name = ?", (fabric,)).fetchone()
        return bool(row == (boot_id,))

    def confirm(self, fabric: str, boot_id: str) -> None:
        """Note that it has."""
        self._execute("UPDATE fabrics SET confirmed = ? WHERE name = ?", (boot_id, fabric))

    def expect(self, fabric: str, definition: str) -> None:
        """Let nothing be confirmed that was so under another definition of the fabric."""
        key = f"definition:{fabric}"
        row = self._execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row != (definition,):
            self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, definition))
            self._execute("UPDATE fabrics SET confirmed = '' WHERE name = ?", (fabric,))

    # ── blocks ────────────────────────────────────────────────────────────────────────────────

    def covering(self, fabric: str, slot: int) -> Tenure | None:
        """Return the block that a slot lies in, if the node has it in any state."""
        row = self._execute(
            f"SELECT {_COLUMNS} FROM blocks WHERE fabric = ? AND last >= ? ORDER BY last LIMIT 1",  # noqa: S608 - fixed
            (fabric, slot),
        ).fetchone()
        return _tenure(row) if row and row[1] <= slot else None

    def of(self, fabric: str) -> list[Tenure]:
        """Return the blocks of a fabric."""
        rows = self._execute(
            f"SELECT {_COLUMNS} FROM blocks WHERE fabric = ? ORDER BY last",  # noqa: S608 - fixed
            (fabric,),
        )
        return [_tenure(row) for row in rows]

    def idle(self, fabric: str) -> list[Tenure]:
        """Return the blocks that hold nothing and have nothing to tell, a spare first."""
        rows = self._execute(
            f"SELECT {_COLUMNS} FROM blocks AS b WHERE fabric = ? AND state IN ('owned', 'spare')"  # noqa: S608 - fixed
            " AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.fabric = b.fabric"
            " AND c.slot BETWEEN b.first AND b.last)"
            " AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.fabric = b.fabric"
            " AND o.slot BETWEEN b.first AND b.last) ORDER BY state DESC, last",
            (fabric,),
        )
        return [_tenure(row) for row in rows]

    def forget_lost(self, fabric: str) -> None:
        """Forget the lost blocks in which nothing is held any more."""
        self._execute(
            "DELETE FROM blocks AS b WHERE fabric = ? AND state = 'lost'"
            " AND NOT EXISTS (SELECT 1 FROM claims AS c WHERE c.fabric = b.fabric"
            " AND c.slot BETWEEN b.first AND b.last)",
            (fabric,),
        )

    def add(self, block: Block) -> None:
        """Own a block that nobody had: all of it is fresh."""
        self._put(block, State.OWNED)
        self._pool.add(block.fabric, block.span.first, block.span.last)

    def take(self, block: Block, freed_at: int, *, spare: bool = False) -> None:
        """Own a block that was claimed; what this node may just have used of it rests.

        Args:
            block: which.
            freed_at: since when (ns) it then rests.
            spare: keep it for later, when nothing of it was used.
        """
        used = self._execute(
            "SELECT 1 FROM claims WHERE fabric = ? AND slot BETWEEN ? AND ? LIMIT 1",
            (block.fabric, block.span.first, block.span.last),
        ).fetchone()
        if used or self.covering(block.fabric, block.span.first):
            self.adopt(block, freed_at)
        elif spare:
            self._put(block, State.SPARE)
        else:
            self.add(block)

    def activate(self, fabric: str) -> bool:
        """Bring a spare block into use; tell whether there was one."""
        row = self._execute(
            f"SELECT {_COLUMNS} FROM blocks WHERE fabric = ? AND state = 'spare'"  # noqa: S608 - fixed
            " ORDER BY last LIMIT 1",
            (fabric,),
        ).fetchone()
        if row:
            self.add(_tenure(row).block)
        return row is not None

    def adopt(self, block: Block, freed_at: int) -> None:
        """Own a block that may just have been used: all that nobody holds rests."""
        self._put(block, State.OWNED)
        self._pool.withdraw(block.fabric, block.span)
        held = {
            slot
            for (slot,) in self._execute(
                "SELECT slot FROM claims WHERE fabric = ? AND slot BETWEEN ? AND ?",
                (block.fabric, block.span.first, block.span.last),
            )
        }
        for slot in range(block.span.first, block.span.last + 1):
            if slot not in held:
                self._pool.rest(block.fabric, slot, freed_at)

    def renew(self, block: Block) -> None:
        """Note the revisions of a block that the registry has confirmed."""
        self._execute(
            "UPDATE blocks SET epoch = ?, revision = ? WHERE fabric = ? AND last = ?",
            (block.epoch, block.revision, block.fabric, block.span.last),
        )

    def withdraw(self, block: Block, state: State) -> None:
        """Give nothing of a block out any more; what is held in it stays held."""
        self._put(block, state)
        self._pool.withdraw(block.fabric, block.span)

    def drop(self, block: Block) -> None:
        """Forget a block."""
        self._pool.withdraw(block.fabric, block.span)
        self._execute(
            "DELETE FROM blocks WHERE fabric = ? AND last = ?", (block.fabric, block.span.last)
        )

    def _put(self, block: Block, state: State) -> None:
        span = block.span
        self._execute(
            "INSERT OR REPLACE INTO blocks (fabric, last, first, state, epoch, revision)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (block.fabric, span.last, span.first, state.value, block.epoch, block.revision),
        )

    def taken(self, fabric: str) -> float:
        """Return which share of a fabric's blocks was taken when somebody looked last: 0 to 1."""
        key = f"taken:{fabric}"
        row = self._execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return float(row[0]) if row else 0.0

    def note_taken(self, fabric: str, share: float) -> None:
        """Keep which share it is."""
        self._execute(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"taken:{fabric}", f"{share:.3f}")
        )

    # ── dealings with the registry ────────────────────────────────────────────────────────────

    def intent(self, fabric: str) -> Intent | None:
        """Return the claim whose outcome is not known yet."""
        row = self._execute(
            "SELECT token, spans FROM intents WHERE fabric = ?", (fabric,)
        ).fetchone()
        return (
            Intent(fabric, row[0], tuple(Span(*ends) for ends in json.loads(row[1])))
            if row
            else None
        )

    def put_intent(self, intent: Intent) -> None:
        """Write down a claim that is to be sent."""
        spans = json.dumps([(span.first, span.last) for span in intent.spans])
        self._execute("INSERT INTO intents VALUES (?, ?, ?)", (intent.fabric, intent.token, spans))

    def drop_intent(self, fabric: str) -> None:
        """Forget a claim whose outcome is known."""
        self._execute("DELETE FROM intents WHERE fabric = ?", (fabric,))

    def session(self) -> Session:
        """Return where this journal stands with the registry."""
        rows = dict(self._execute("SELECT key, value FROM meta").fetchall())
        return Session(
            rows["journal-id"], *(int(rows.get(key, 0)) for key in ("revision", "seen", "frozen"))
        )

    def put_session(self, session: Session) -> None:
        """Keep where it stands."""
        for key, value in (
            ("revision", session.revision),
            ("seen", session.seen),
            ("frozen", session.frozen),
        ):
            self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, str(value)))

    def identify(self, node: str, hardware: str, boot_id: str) -> tuple[str, bool]:
        """Keep on which machine this journal was begun.

        A machine with another name joins anew: others must learn it.  What its hardware looked
        like first in a boot it is for all of that boot: adapters come and go.

        Args:
            node: the name that it has.
            hardware: what its hardware looks like.
            boot_id: in which boot.

        Returns:
            The hardware that the journal was begun on, and whether it is this machine's.
        """
        known = dict(self._execute("SELECT key, value FROM meta").fetchall())
        if known.get("identified") == boot_id:
            hardware = str(known["hardware"])
        elif known.get("hardware", hardware) != hardware:
            return str(known["hardware"]), False
        if known.get("node") != node:
            self._execute("UPDATE fabrics SET confirmed = ''")
        for key, value in (("node", node), ("hardware", hardware), ("identified", boot_id)):
            if known.get(key) != value:
                self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        return hardware, True


def _tenure(row: tuple[Any, ...]) -> Tenure:
    fabric, first, last, epoch, revision, state = row
    return Tenure(Block(fabric, Span(first, last), epoch, revision), State(state))
