"""What can be read and changed inside one transaction of the journal.

Each method is a few statements that find their rows by an index, so that none takes longer because
more is held; the exceptions say so.  All that a transaction changes is kept together or not at
all (`Journal.transaction`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from cni.protocol.request import Attachment, Pod
from ipam.blocks import State
from ipam.journal.blocks import Blocks
from ipam.journal.outbox import Outbox
from ipam.journal.pool import Pool
from ipam.ranges import Rail, Span

if TYPE_CHECKING:
    import sqlite3


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on this node: only moments of one boot can be compared."""

    boot_id: str
    ns: int
    """Nanoseconds of CLOCK_BOOTTIME."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A slot held by a container."""

    slot: int
    container_id: str
    pod: Pod
    since: Moment

    def __str__(self) -> str:
        return f"container {self.container_id} ({self.pod})"


@dataclass(frozen=True, slots=True)
class Held:
    """What an attachment holds."""

    attachment: Attachment
    fabric: str
    rail: str
    slot: int
    since: Moment
    sandbox: tuple[int, int, int] | None = None
    """Its network namespace (`Request.sandbox`), where it is remembered here."""


class Transaction:
    """One open transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self.pool = Pool(self._execute)
        self.blocks = Blocks(self._execute, self.pool)
        self.outbox = Outbox(self._execute)

    # ── the node ──────────────────────────────────────────────────────────────────────────────

    def begin_boot(self, now: Moment) -> int:
        """Free every claim of an earlier boot; return how many, 0 when this boot has begun before.

        Takes as long as many are held, once per boot.  All that rests rests anew: the clock that
        timed it has started again.
        """
        row = self._execute("SELECT value FROM meta WHERE key = 'boot-id'").fetchone()
        if row == (now.boot_id,):
            return 0
        self._execute("UPDATE freed SET freed_at = ?", (now.ns,))
        dead = self._execute(
            "SELECT fabric, slot FROM claims WHERE boot_id <> ? ORDER BY created", (now.boot_id,)
        ).fetchall()
        for fabric, slot in dead:
            self._execute("DELETE FROM attachments WHERE fabric = ? AND slot = ?", (fabric, slot))
            self._free(fabric, slot, now)
        self._execute("INSERT OR REPLACE INTO meta VALUES ('boot-id', ?)", (now.boot_id,))
        return len(dead)

    # ── fabrics and rails ─────────────────────────────────────────────────────────────────────

    def add_fabric(self, fabric: str) -> None:
        """Record a fabric, of which the node owns nothing yet; nothing when it is known."""
        self._execute("INSERT OR IGNORE INTO fabrics (name) VALUES (?)", (fabric,))

    def rails(self) -> dict[str, dict[str, Rail]]:
        """Return every known rail by fabric and name."""
        known: dict[str, dict[str, Rail]] = {}
        for fabric, *columns in self._execute("SELECT fabric, name, subnets, usable FROM rails"):
            rail = _rail(*columns)
            known.setdefault(fabric, {})[rail.name] = rail
        return known

    def put_rail(self, fabric: str, rail: Rail) -> None:
        """Record a rail, in place of what was known of it."""
        self._execute(
            "INSERT OR REPLACE INTO rails VALUES (?, ?, ?, ?)",
            (
                fabric,
                rail.name,
                json.dumps([str(net) for net in rail.subnets]),
                json.dumps([(span.first, span.last) for span in rail.usable]),
            ),
        )

    def drop_rail(self, fabric: str, name: str) -> None:
        """Forget a rail; what rests in its fabric goes on resting."""
        self._execute("DELETE FROM rails WHERE fabric = ? AND name = ?", (fabric, name))

    def in_use(self, fabric: str) -> bool:
        """Tell whether anything is held in a fabric."""
        row = self._execute("SELECT 1 FROM claims WHERE fabric = ? LIMIT 1", (fabric,))
        return row.fetchone() is not None

    def rails_in_use(self, fabric: str) -> set[str]:
        """Return the names of a fabric's rails that have attachments."""
        rows = self._execute(
            "SELECT name FROM rails AS r WHERE fabric = ? AND EXISTS"
            " (SELECT 1 FROM attachments AS a WHERE a.fabric = r.fabric AND a.rail = r.name)",
            (fabric,),
        )
        return {name for (name,) in rows}

    def count_held(self, fabric: str) -> int:
        """Return how many slots of a fabric are held: counts them, for an error only."""
        row = self._execute("SELECT count(*) FROM claims WHERE fabric = ?", (fabric,))
        return int(row.fetchone()[0])

    # ── claims and attachments ────────────────────────────────────────────────────────────────

    def claim(self, fabric: str, claim: Claim, *, single: bool = False) -> None:
        """Give a slot to a container (LookupError when it is not free).

        Args:
            fabric: whose slot it is.
            claim: who gets which one.
            single: it is claimed by itself, in the registry, and lies in no block.
        """
        if not single:
            self.pool.take(fabric, claim.slot)
        if self.blocks.shared(fabric):
            self.outbox.mark(fabric, claim.slot)
        self._insert(fabric, claim)

    def _insert(self, fabric: str, claim: Claim) -> None:
        pod, since = claim.pod, claim.since
        self._execute(
            "INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                fabric, claim.slot, claim.container_id,
                pod.namespace, pod.name, pod.uid, since.boot_id, since.ns,
            ),
        )  # fmt: skip

    def recover(self, fabric: str, claim: Claim) -> None:
        """Take over a claim that a lost journal had, if nobody has the slot.

        Which attachments use it is not known: the first DEL of its container ends it.
        """
        if self.holder(fabric, claim.slot) is None:
            self._insert(fabric, claim)

    def release_recovered(self, container_id: str, now: Moment) -> None:
        """End the claims of a container that were recovered."""
        rows = self._execute(
            "SELECT fabric, slot FROM claims AS c WHERE container = ? AND NOT EXISTS"
            " (SELECT 1 FROM attachments AS a WHERE a.fabric = c.fabric AND a.slot = c.slot)",
            (container_id,),
        ).fetchall()
        for fabric, slot in rows:
            self._free(fabric, slot, now)

    def holder(self, fabric: str, slot: int) -> Claim | None:
        """Return who holds a slot."""
        row = self._execute(
            "SELECT slot, container, pod_namespace, pod_name, pod_uid, boot_id, created"
            " FROM claims WHERE fabric = ? AND slot = ?",
            (fabric, slot),
        ).fetchone()
        return _claim(row) if row else None

    def rails_by_slot(self, fabric: str, container_id: str) -> dict[int, set[str]]:
        """Return a container's slots, its oldest attachment's first, and the rails of each."""
        slots: dict[int, set[str]] = {}
        for slot, rail in self._execute(
            "SELECT slot, rail FROM attachments WHERE container = ? AND fabric = ?"
            " ORDER BY created, slot",
            (container_id, fabric),
        ):
            slots.setdefault(slot, set()).add(rail)
        return slots

    def attach(self, held: Held) -> None:
        """Let an attachment use a claimed slot; one per rail (IntegrityError)."""
        key = held.attachment
        self._execute(
            "INSERT INTO attachments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                key.network, key.container_id, key.ifname,
                held.fabric, held.rail, held.slot, held.since.ns, *(held.sandbox or _NOWHERE),
            ),
        )  # fmt: skip

    def move(self, held: Held, sandbox: tuple[int, int, int] | None) -> None:
        """Note in which network namespace an attachment is; None: nobody knows."""
        key = held.attachment
        self._execute(
            "UPDATE attachments SET netns_device = ?, netns_inode = ?, netns_cookie = ?"
            " WHERE network = ? AND container = ? AND ifname = ?",
            (*(sandbox or _NOWHERE), key.network, key.container_id, key.ifname),
        )

    def held(self, key: Attachment) -> Held | None:
        """Return what an attachment holds."""
        row = self._execute(
            f"{_HELD} WHERE a.network = ? AND a.container = ? AND a.ifname = ?",
            (key.network, key.container_id, key.ifname),
        ).fetchone()
        return _held(row) if row else None

    def held_by_network(self, network: str) -> list[Held]:
        """Return what all attachments of a network hold."""
        return [_held(row) for row in self._execute(f"{_HELD} WHERE a.network = ?", (network,))]

    def slots_held(self, fabric: str) -> list[int]:
        """Return every slot of a fabric that is held."""
        rows = self._execute("SELECT slot FROM claims WHERE fabric = ? ORDER BY slot", (fabric,))
        return [slot for (slot,) in rows]

    def all_held(self) -> list[Held]:
        """Return what every attachment holds, by fabric, slot and rail."""
        return [_held(row) for row in self._execute(f"{_HELD} ORDER BY fabric, slot, rail")]

    def detach(self, held: Held, now: Moment) -> None:
        """Take an attachment off its slot; free the slot when no other attachment uses it."""
        key = held.attachment
        self._execute(
            "DELETE FROM attachments WHERE network = ? AND container = ? AND ifname = ?",
            (key.network, key.container_id, key.ifname),
        )
        slot = (held.fabric, held.slot)
        used = "SELECT 1 FROM attachments WHERE fabric = ? AND slot = ? LIMIT 1"
        if self._execute(used, slot).fetchone():
            return
        self._free(*slot, now)

    def _free(self, fabric: str, slot: int, now: Moment) -> None:
        self._execute("DELETE FROM claims WHERE fabric = ? AND slot = ?", (fabric, slot))
        tenure = self.blocks.covering(fabric, slot)
        if tenure and tenure.state is State.OWNED:
            self.pool.rest(fabric, slot, now.ns)
        if self.blocks.shared(fabric):
            self.outbox.mark(fabric, slot)


_NOWHERE = (None, None, None)
_HELD = (
    "SELECT a.network, a.container, a.ifname, a.fabric, a.rail, a.slot, c.boot_id, a.created,"
    " a.netns_device, a.netns_inode, a.netns_cookie"
    " FROM attachments AS a JOIN claims AS c USING (fabric, slot)"
)


@lru_cache(maxsize=64)  # each request reads all rails, again and again
def _rail(name: str, subnets: str, usable: str) -> Rail:
    return Rail(
        name,
        tuple(ip_network(net) for net in json.loads(subnets)),
        tuple(Span(first, last) for first, last in json.loads(usable)),
    )


def _claim(row: tuple[Any, ...]) -> Claim:
    slot, container, namespace, name, uid, boot_id, created = row
    return Claim(slot, container, Pod(namespace, name, uid), Moment(boot_id, created))


def _held(row: tuple[Any, ...]) -> Held:
    network, container, ifname, fabric, rail, slot, boot_id, created, *sandbox = row
    key = Attachment(network, container, ifname)
    device, inode, cookie = sandbox
    known = None if device is None else (device, inode, cookie)
    return Held(key, fabric, rail, slot, Moment(boot_id, created), known)
