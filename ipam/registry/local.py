"""The registry of a node that has no other: it owns every slot."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ipam.blocks import Block, Intent
from ipam.ranges import EVERY_SLOT
from ipam.registry.interface import (
    Change,
    Held,
    Joined,
    Mirrored,
    Proposal,
    Restored,
    Told,
)


class LocalRegistry:
    """One block per fabric, which is this node's; nobody asks it whose an address is."""

    def join(self, fabrics: Sequence[str], known: Sequence[Block]) -> Joined:
        """Confirm everything."""
        del fabrics
        return Joined(confirmed=tuple(known))

    def propose(self, fabric: str) -> Proposal:
        """Propose the one block."""
        del fabric
        return Proposal((EVERY_SLOT,), 0, 0.0)

    def claim(self, intent: Intent, revision: int) -> Block | None:
        """Give it."""
        del revision
        return Block(intent.fabric, EVERY_SLOT)

    def settle(self, intent: Intent) -> Block | None:
        """Return the one block."""
        return Block(intent.fabric, EVERY_SLOT)

    def give_back(self, block: Block) -> bool:
        """Keep it: there is nobody to give it to."""
        del block
        return False

    def publish(self, changes: Sequence[Change]) -> Told:
        """Tell nobody."""
        del changes
        return Told()

    def claims_in(self, block: Block) -> list[Mirrored]:
        """Return nothing: the journal is all there is."""
        del block
        return []

    def restore(
        self,
        fabrics: Sequence[str],
        blocks: Sequence[Block],
        held: Sequence[Held],
        joined: Collection[str] = (),
    ) -> Restored:
        """Keep everything."""
        del fabrics, held, joined
        return Restored(kept=tuple(blocks))
