"""After etcd was restored from a backup: nobody claims until each node has put its blocks back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ipam.blocks import Block, Session, Single
from ipam.etcd.interface import Delete, Found, Get, Keys, Put, Txn, absent, modified_at
from ipam.registry.interface import Held, Node, Restored, TakenError
from ipam.registry.keys import Layout
from ipam.registry.listing import Listed, entries, listed
from ipam.registry.membership import BATCH, Membership
from ipam.registry.records import (
    AnswerRecord,
    BlockRecord,
    FrozenRecord,
    Owner,
    StaticRecord,
    now,
)
from ipam.registry.singles import Singles
from ipam.registry.writer import Writer


class Restoration:
    """Putting back, for one node."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it deals with
        self,
        writer: Writer,
        layout: Layout,
        node: Node,
        session: Session,
        membership: Membership,
        singles: Singles,
    ) -> None:
        self._membership = membership
        self._singles = singles
        self._writer = writer
        self._layout = layout
        self._node = node
        self._session = session

    def restore(
        self,
        fabrics: Sequence[str],
        blocks: Sequence[Block],
        held: Sequence[Held],
        joined: Collection[str] = (),
    ) -> Restored:
        """Forbid claims, unless somebody has; put back what nobody has; say so.

        What this node's journal does not know was given back after the backup: it is given back
        again, for somebody else may have it by now and waits for that.
        """
        frozen = self._freeze()
        # Who is proven to have gone is told by this boot: it must not be an earlier one's record.
        self._membership.introduce()
        for fabric in fabrics:
            self._give_back_unknown(fabric, blocks, joined=fabric in joined)
            self._release_unknown(fabric, [single for single, _ in held])
        kept, conflicts = self._put_back(blocks)
        refused = list(self._hold_again(held))
        self._answer(frozen, len(kept), [*map(str, conflicts), *refused])
        # A conflict may go away: it is asked again.
        self._session.frozen = 0 if conflicts or refused else frozen
        return Restored(tuple(kept), tuple(conflicts), tuple(refused))

    def _put_back(self, blocks: Sequence[Block]) -> tuple[list[Block], list[Block]]:
        """Return what this node has again, and what others have."""
        kept: list[Block] = []
        for start in range(0, len(blocks), BATCH):
            batch = blocks[start : start + BATCH]
            keys = [self._layout.block(block.fabric, block.span) for block in batch]
            writes = tuple(
                Txn((absent(key),), (Put(key, self._record(block)),))
                for key, block in zip(keys, batch, strict=True)
            )
            found = self._writer.turn(writes, tuple(Get(Keys(key)) for key in keys))
            own = [
                one
                for block, answer in zip(batch, found, strict=True)
                for one in self._own(block, answer)
            ]
            # What stands there may be of an earlier boot, and its pods are of this one.
            kept += self._membership.take(own)
        back = {(block.fabric, block.span) for block in kept}
        return kept, [block for block in blocks if (block.fabric, block.span) not in back]

    def _freeze(self) -> int:
        known, self._session.seen = self._session.seen, 0
        key = self._layout.frozen
        reason = f"etcd was at revision {known} and has gone back: it was restored from a backup"
        record = FrozenRecord(node=self._node.name, reason=reason, since=now())
        write = Txn((absent(key),), (Put(key, record.encode()),))
        try:
            [found] = self._writer.turn((write,), (Get(Keys(key)),))
        except BaseException:
            self._session.seen = known  # nobody may know yet but this node
            raise
        return found.entries[0].mod_revision

    def _give_back_unknown(self, fabric: str, blocks: Sequence[Block], *, joined: bool) -> None:
        known = {(block.fabric, block.span) for block in blocks}
        for one in listed(self._writer, self._layout, fabric):
            # What a lost journal had when this one joined is known, and the rest had gone.
            past = self._is_past(one.record) or (joined and self._is_own(one.record))
            if past and (fabric, one.block.span) not in known:
                guard = modified_at(one.key, one.block.revision)
                # The backup has claims in it too, which are as past as the block.
                claims = self._layout.claims(fabric, one.block.span)
                gone = (Delete(Keys(one.key)), Delete(claims))
                self._writer.turn((Txn((guard,), gone),))

    def _release_unknown(self, fabric: str, held: Sequence[Single]) -> None:
        known = {self._layout.static(one.fabric, one.slot): one.container_id for one in held}
        for entry in entries(self._writer, self._layout.statics(fabric)):
            record = StaticRecord.decode(entry.key, entry.value)
            if record.released or not self._is_past(record):
                continue
            if known.get(entry.key) != record.container:
                guard = modified_at(entry.key, entry.mod_revision)
                self._writer.turn((Txn((guard,), (Delete(Keys(entry.key)),)),))

    def _is_past(self, record: Owner) -> bool:
        """Tell whether what stands there is of this journal, or of a dead boot of this machine."""
        if record.journal == self._node.journal_id:
            return True
        return self._is_own(record) and record.boot != self._node.boot_id

    def _is_own(self, record: Owner) -> bool:
        return (record.node, record.hardware) == (self._node.name, self._node.hardware)

    def _hold_again(self, held: Sequence[Held]) -> Iterator[str]:
        """Claim addresses by themselves again; yield why one could not be had."""
        for single, claim in held:
            try:
                self._singles.hold(single, claim)
            except TakenError as error:
                yield str(error)

    def _record(self, block: Block) -> bytes:
        node, span = self._node, block.span
        return BlockRecord(
            node=node.name,
            hardware=node.hardware,
            boot=node.boot_id,
            journal=node.journal_id,
            size=span.last - span.first + 1,
            token="restored",  # noqa: S106 - of a claim, and no secret
        ).encode()

    def _own(self, block: Block, found: Found) -> Iterator[Listed]:
        """Yield a block as it stands, when it is this node's; also what a lost journal had."""
        for entry in found.entries:
            record = BlockRecord.decode(entry.key, entry.value)
            if record.journal == self._node.journal_id or self._is_own(record):
                back = Block(block.fabric, block.span, entry.create_revision, entry.mod_revision)
                yield Listed(back, entry.key, record)

    def _answer(self, frozen: int, kept: int, conflicts: Sequence[str]) -> None:
        record = AnswerRecord(
            journal=self._node.journal_id,
            frozen=frozen,
            blocks=kept,
            conflicts=tuple(conflicts),
            since=now(),
        )
        self._writer.turn((Put(self._layout.answer(self._node.name), record.encode()),))
