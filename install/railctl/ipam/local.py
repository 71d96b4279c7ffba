"""What this node's journal says, read at one instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ipam.blocks import Single, Tenure
    from ipam.journal.transaction import Claim, Held, Transaction
    from ipam.ranges import Rail

Slot = tuple[str, int]
"""A fabric and a slot of it."""


@dataclass(frozen=True, slots=True)
class Local:
    """A journal."""

    journal_id: str
    tenures: tuple[Tenure, ...]
    """Of shared fabrics."""
    claims: Mapping[Slot, Claim]
    held: tuple[Held, ...]
    rails: Mapping[str, Mapping[str, Rail]]
    shared: frozenset[str]
    """The fabrics whose blocks are the cluster's."""
    pending: frozenset[Slot]
    """What the registry is still to be told of."""
    claiming: frozenset[str]
    """The fabrics of which a block is being claimed."""
    singles: tuple[Single, ...]
    """Claims on addresses by themselves that are not released yet."""

    def addresses(self, slot: Slot, rails: set[str] | None = None) -> set[str]:
        """Return a slot's addresses on some rails, on all when none are named."""
        return {
            str(each.ip)
            for rail in self.rails.get(slot[0], {}).values()
            if rails is None or rail.name in rails
            for each in rail.addresses(slot[1])
        }

    def since(self, before: Local) -> Local:
        """Return this reading with all as pending that has changed since an earlier one.

        What differs from something that was read in between may differ because it has changed.
        """
        slots = self.claims.keys() | before.claims.keys()
        changed = {at for at in slots if self.claims.get(at) != before.claims.get(at)}
        fabrics = {one.block.fabric for one in set(self.tenures) ^ set(before.tenures)}
        return Local(
            self.journal_id,
            self.tenures,
            self.claims,
            self.held,
            self.rails,
            self.shared,
            self.pending | before.pending | changed,
            self.claiming | before.claiming | fabrics,
            self.singles,
        )


def read(tx: Transaction) -> Local:
    """Read it all."""
    rails = tx.rails()
    shared = frozenset(tx.blocks.shared_fabrics())
    fabrics = rails.keys() | shared
    return Local(
        tx.blocks.session().journal_id,
        tuple(tenure for fabric in sorted(shared) for tenure in tx.blocks.of(fabric)),
        {
            (fabric, slot): claim
            for fabric in fabrics
            for slot in tx.slots_held(fabric)
            if (claim := tx.holder(fabric, slot))
        },
        tuple(tx.all_held()),
        rails,
        shared,
        frozenset((note.fabric, note.slot) for note in tx.outbox.first(tx.outbox.count())),
        frozenset(fabric for fabric in shared if tx.blocks.intent(fabric)),
        tuple(tx.outbox.all_singles()),
    )
