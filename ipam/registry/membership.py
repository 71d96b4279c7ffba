"""A node joins: who it is, and which blocks the registry has for it."""

from __future__ import annotations

import enum
from collections.abc import Sequence

from cni import __version__
from ipam.blocks import Block, Session
from ipam.etcd.interface import Found, Get, Keys, KeyValue, Put, Txn, modified_at
from ipam.ranges import Span
from ipam.registry.interface import DisagreementError, Joined, Node
from ipam.registry.keys import Layout
from ipam.registry.listing import Listed, listed
from ipam.registry.records import BlockRecord, NodeRecord, Owner, now
from ipam.registry.territory import frozen_error
from ipam.registry.writer import Writer

_SESSION = {"hardware", "boot", "journal"}
BATCH = 30
"""Blocks that one turn changes: etcd takes 128 operations, reading among them."""


class Verdict(enum.Enum):
    """What a block that stands in the registry is to a node after its boot."""

    MINE = enum.auto()
    DEAD = enum.auto()
    """An earlier boot's of this machine: nobody lives in it any more, it is free to take."""
    RETIRED = enum.auto()
    """This boot's, under a journal that does not know it: its pods may live."""
    FOREIGN = enum.auto()


def judge(node: Node, record: Owner, *, known: bool) -> Verdict:
    """Return what a block is to a node.

    Args:
        node: who asks.
        record: what stands in the registry.
        known: the node's journal has this very block, of this epoch, as its own.
    """
    if known and record.journal == node.journal_id:
        return Verdict.MINE
    # Machines that were cloned may share a hardware identity: only both together tell one.
    if (record.node, record.hardware) != (node.name, node.hardware):
        return Verdict.FOREIGN
    return Verdict.RETIRED if record.boot == node.boot_id else Verdict.DEAD


def same_session(node: Node, record: Owner) -> bool:
    """Tell whether a record is of this machine, in this boot, with this journal."""
    return record.model_dump(include=_SESSION) == _owner(node).model_dump(include=_SESSION)


class Membership:
    """Joining, for one node."""

    def __init__(self, writer: Writer, layout: Layout, node: Node, session: Session) -> None:
        self._writer = writer
        self._layout = layout
        self._node = node
        self._session = session

    def join(self, fabrics: Sequence[str], known: Sequence[Block]) -> Joined:
        """Write down this boot; confirm what is known; find what a lost journal had."""
        frozen = self.introduce()
        # What is restored may say that a block is this node's which it had given back since.
        if frozen.entries:
            raise frozen_error(frozen.entries[0], self._session)
        epochs = {(block.fabric, block.span): block.epoch for block in known}
        mentioning = (self._node.hardware, self._node.journal_id)
        found = [
            one
            for fabric in fabrics
            for one in listed(self._writer, self._layout, fabric, mentioning)
        ]
        verdicts = [
            (one, judge(self._node, one.record, known=_known(epochs, one.block))) for one in found
        ]
        mine = self.take([one for one, verdict in verdicts if verdict is Verdict.MINE])
        places = {(block.fabric, block.span) for block in mine}
        return Joined(
            confirmed=tuple(mine),
            lost=tuple(block for block in known if (block.fabric, block.span) not in places),
            adopted=tuple(self.take([o for o, verdict in verdicts if verdict is Verdict.DEAD])),
            retired=tuple(one.block for one, verdict in verdicts if verdict is Verdict.RETIRED),
        )

    def introduce(self) -> Found:
        """Write this session under the node's name; return what stands under `frozen`.

        Raises:
            DisagreementError: another session of it is alive, or one that has its journal.
        """
        key, heartbeats = self._layout.node(self._node.name), self._layout.heartbeat()
        former, beating = self._writer.look(Get(Keys(key)), Get(Keys.below(heartbeats)))
        alive = {entry.key: NodeRecord.decode(entry.key, entry.value) for entry in beating.entries}
        own = self._layout.heartbeat(self._node.name)
        for beat, other in alive.items():
            twin = other.journal == self._node.journal_id and other.boot != self._node.boot_id
            if twin or (beat == own and not same_session(self._node, other)):
                raise self._refusal(other, "has a heartbeat")
        record = NodeRecord(**_owner(self._node).model_dump(), version=__version__, since=now())
        revisions = [_revision(former), _revision(_only(beating, own))]
        guards = tuple(map(modified_at, (key, own), revisions))
        write = Txn(guards, (Put(key, record.encode()),))
        looks = (Get(Keys(key)), Get(Keys(self._layout.frozen)))
        found, frozen = self._writer.turn((write,), looks)
        stands = NodeRecord.decode(key, found.entries[0].value) if found.entries else None
        if stands and not same_session(self._node, stands):
            raise self._refusal(stands, "has joined at the same time")
        return frozen

    def _refusal(self, other: NodeRecord, what: str) -> DisagreementError:
        node = self._node
        return DisagreementError(
            f"another session of node {other.node} {what}: hardware {other.hardware}, boot "
            f"{other.boot}, journal {other.journal}; this one is node {node.name}, hardware "
            f"{node.hardware}, boot {node.boot_id}, journal {node.journal_id}",
            "after a reboot its heartbeat ends by itself within 30 s; if it is another "
            "machine, give each its own name (node in the node file) and its own state",
        )

    def take(self, listed: Sequence[Listed]) -> list[Block]:
        """Write this boot and journal into blocks; return those that were as they had been read."""
        taken = []
        for start in range(0, len(listed), BATCH):
            batch = listed[start : start + BATCH]
            owner = _owner(self._node).model_dump()
            writes = tuple(
                Txn(
                    (modified_at(one.key, one.block.revision),),
                    (Put(one.key, one.record.model_copy(update=owner).encode()),),
                )
                for one in batch
            )
            found = self._writer.turn(writes, tuple(Get(Keys(one.key)) for one in batch))
            taken += [
                Block(one.block.fabric, one.block.span, entry.create_revision, entry.mod_revision)
                for one, answer in zip(batch, found, strict=True)
                for entry in answer.entries
                if self._is_mine(entry)
            ]
        return taken

    def _is_mine(self, entry: KeyValue) -> bool:
        record = BlockRecord.decode(entry.key, entry.value)
        return (record.journal, record.boot) == (self._node.journal_id, self._node.boot_id)


def _known(epochs: dict[tuple[str, Span], int], block: Block) -> bool:
    return epochs.get((block.fabric, block.span)) == block.epoch


def _owner(node: Node) -> Owner:
    return Owner(node=node.name, hardware=node.hardware, boot=node.boot_id, journal=node.journal_id)


def _only(found: Found, key: str) -> Found:
    entries = tuple(entry for entry in found.entries if entry.key == key)
    return Found(entries, len(entries), more=False)


def _revision(found: Found) -> int:
    return found.entries[0].mod_revision if found.entries else 0
