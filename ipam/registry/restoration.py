"""After etcd was restored from a backup: nobody claims until each node has put its blocks back."""

from __future__ import annotations

from collections.abc import Container, Sequence

from ipam.blocks import Block, Session
from ipam.etcd.interface import Delete, Found, Get, Keys, Put, Txn, absent, modified_at
from ipam.ranges import Span
from ipam.registry.interface import Node, Restored
from ipam.registry.keys import Layout
from ipam.registry.listing import listed
from ipam.registry.membership import BATCH
from ipam.registry.records import AnswerRecord, BlockRecord, FrozenRecord, now
from ipam.registry.writer import Writer


class Restoration:
    """Putting back, for one node."""

    def __init__(self, writer: Writer, layout: Layout, node: Node, session: Session) -> None:
        self._writer = writer
        self._layout = layout
        self._node = node
        self._session = session

    def restore(self, fabrics: Sequence[str], blocks: Sequence[Block]) -> Restored:
        """Forbid claims, unless somebody has; put blocks back where nobody has them; say so.

        Blocks of this journal that it does not know were given back after the backup: they are
        given back again, for somebody else may have them by now and waits for that.
        """
        frozen = self._freeze()
        for fabric in fabrics:
            self._give_back_unknown(fabric, {block.span for block in blocks})
        kept: list[Block] = []
        conflicts: list[Block] = []
        for start in range(0, len(blocks), BATCH):
            batch = blocks[start : start + BATCH]
            keys = [self._layout.block(block.fabric, block.span) for block in batch]
            writes = tuple(
                Txn((absent(key),), (Put(key, self._record(block)),))
                for key, block in zip(keys, batch, strict=True)
            )
            found = self._writer.turn(writes, tuple(Get(Keys(key)) for key in keys))
            for block, answer in zip(batch, found, strict=True):
                back = self._mine(block, answer)
                (kept if back else conflicts).append(back or block)
        self._answer(frozen, len(kept), conflicts)
        # A conflict may go away: it is asked again.
        self._session.frozen = 0 if conflicts else frozen
        return Restored(tuple(kept), tuple(conflicts))

    def _freeze(self) -> int:
        known, self._session.seen = self._session.seen, 0
        key = self._layout.frozen
        reason = f"etcd was at revision {known} and has gone back: it was restored from a backup"
        record = FrozenRecord(node=self._node.name, reason=reason, since=now())
        write = Txn((absent(key),), (Put(key, record.encode()),))
        [found] = self._writer.turn((write,), (Get(Keys(key)),))
        return found.entries[0].mod_revision

    def _give_back_unknown(self, fabric: str, known: Container[Span]) -> None:
        for one in listed(self._writer, self._layout, fabric):
            if one.record.journal == self._node.journal_id and one.block.span not in known:
                guard = modified_at(one.key, one.block.revision)
                self._writer.turn((Txn((guard,), (Delete(Keys(one.key)),)),))

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

    def _mine(self, block: Block, found: Found) -> Block | None:
        for entry in found.entries:
            if BlockRecord.decode(entry.key, entry.value).journal == self._node.journal_id:
                return Block(block.fabric, block.span, entry.create_revision, entry.mod_revision)
        return None

    def _answer(self, frozen: int, kept: int, conflicts: Sequence[Block]) -> None:
        record = AnswerRecord(
            journal=self._node.journal_id,
            frozen=frozen,
            blocks=kept,
            conflicts=tuple(map(str, conflicts)),
            since=now(),
        )
        self._writer.turn((Put(self._layout.answer(self._node.name), record.encode()),))
