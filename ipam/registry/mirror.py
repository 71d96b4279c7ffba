"""The mirror in etcd: who holds which slot, for whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from ipam.blocks import Block, Session
from ipam.etcd.interface import Delete, Found, Get, Keys, Operation, Put, Txn, modified_at
from ipam.registry.interface import Change, Mirrored, Node, Told
from ipam.registry.keys import Layout, slot_of
from ipam.registry.records import BlockRecord, ClaimRecord, Pod
from ipam.registry.writer import Writer


class Mirror:
    """The mirror, as one node writes it."""

    def __init__(self, writer: Writer, layout: Layout, node: Node, session: Session) -> None:
        self._writer = writer
        self._layout = layout
        self._node = node
        self._session = session

    def publish(self, changes: Sequence[Change]) -> Told:
        """Write what has changed, in one turn; of a block only while it is as the node knows it."""
        groups = {
            block: tuple(self._operation(change) for change in group)
            for block, group in groupby(sorted(changes, key=_place), key=lambda one: one.block)
        }
        keys = {block: self._layout.block(block.fabric, block.span) for block in groups}
        writes = tuple(
            Txn((modified_at(keys[block], block.revision),), operations)
            for block, operations in groups.items()
        )
        looks = tuple(Get(Keys(key)) for key in keys.values())
        frozen, *found = self._writer.turn(writes, (Get(Keys(self._layout.frozen)), *looks))
        stands = {
            block: self._as_it_stands(block, answer)
            for block, answer in zip(groups, found, strict=True)
        }
        return Told(
            lost=tuple(block for block, now in stands.items() if now is None),
            renewed=tuple(now for block, now in stands.items() if now and now != block),
            frozen=any(one.mod_revision != self._session.frozen for one in frozen.entries),
        )

    def claims_in(self, block: Block) -> list[Mirrored]:
        """Return what stands in a block."""
        keys = self._layout.claims(block.fabric, block.span)
        [found] = self._writer.look(Get(keys))
        return [read(block.fabric, entry.key, entry.value) for entry in found.entries]

    def _operation(self, change: Change) -> Operation:
        key = self._layout.claim(change.block.fabric, change.slot)
        if change.claim is None:
            return Delete(Keys(key))
        return Put(key, record_of(self._node.name, change.claim).encode())

    def _as_it_stands(self, block: Block, found: Found) -> Block | None:
        for entry in found.entries:
            record = BlockRecord.decode(entry.key, entry.value)
            same = entry.mod_revision == block.revision
            mine = (self._node.journal_id, self._node.boot_id)
            # A clone of this machine has the journal too, in a boot of its own.
            if same or (record.journal, record.boot) == mine:
                return Block(block.fabric, block.span, entry.create_revision, entry.mod_revision)
        return None


def record_of(node: str, claim: Mirrored) -> ClaimRecord:
    """Return what the mirror has of a claim."""
    pod = claim.pod
    return ClaimRecord(
        node=node,
        container=claim.container_id,
        pod=Pod(namespace=pod.namespace, name=pod.name, uid=pod.uid),
        addresses=claim.addresses,
        since=claim.since,
    )


def read(fabric: str, key: str, value: bytes) -> Mirrored:
    """Return a claim that stands in the mirror (RecordError)."""
    from cni.protocol import request

    record = ClaimRecord.decode(key, value)
    pod = request.Pod(record.pod.namespace, record.pod.name, record.pod.uid)
    return Mirrored(fabric, slot_of(key), record.container, pod, record.addresses, record.since)


def _place(change: Change) -> tuple[str, int]:
    return change.block.fabric, change.slot
