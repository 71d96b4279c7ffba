"""Blocks in etcd: looking for them, claiming, settling, giving back."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ipam.blocks import Block, Intent, Session
from ipam.definition import Definition
from ipam.etcd.interface import (
    Delete,
    Found,
    Get,
    Keys,
    KeyValue,
    Operation,
    Put,
    Txn,
    absent,
    modified_at,
    none_in,
)
from ipam.ranges import Span
from ipam.registry.fabrics import agreed, encode, refuse_overlap, untouched
from ipam.registry.interface import (
    FrozenError,
    FullError,
    Node,
    Proposal,
    RegistryError,
)
from ipam.registry.keys import Layout, slot_of
from ipam.registry.listing import entries
from ipam.registry.records import BlockRecord, FrozenRecord
from ipam.registry.writer import Writer

WINDOW = 256
"""Block keys that are looked at in one go: etcd's work does not grow with the fabric."""
CHOICES = 8
"""Blocks that one transaction tries in turn."""
_RACES = 16
"""Attempts to put a fabric while others put theirs."""
_PATIENCE = 4
"""Full windows, after which it is counted whether there is any room at all."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a fabric's blocks, as places from 0 on."""

    first: int
    last: int


def windows(definition: Definition, node: str) -> list[Window]:
    """Return the parts of a fabric in the order in which a node looks at them.

    Nodes begin in different places, each always in its own, so that it stays among its own blocks.
    """
    number = -(-definition.block_count // WINDOW)
    start = random.Random(f"{node} {definition.name}").randrange(number)  # noqa: S311 - a place
    places = [(start + step) % number for step in range(number)]
    return [
        Window(place * WINDOW, min((place + 1) * WINDOW, definition.block_count) - 1)
        for place in places
    ]


def gaps(definition: Definition, window: Window, taken: frozenset[int]) -> list[Span]:
    """Return the blocks of a window that have room and that nobody has.

    Args:
        definition: the fabric's.
        window: where to look.
        taken: the first slots of blocks that somebody has.
    """
    blocks = map(definition.block_at, range(window.first, window.last + 1))
    return [span for span in blocks if span.first not in taken and definition.has_room(span)]


class Territory:
    """Blocks, as one node claims them."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it deals with
        self,
        writer: Writer,
        layout: Layout,
        node: Node,
        session: Session,
        definitions: Mapping[str, Definition],
        lottery: random.Random,
    ) -> None:
        self._writer = writer
        self._layout = layout
        self._node = node
        self._session = session
        self._definitions = definitions
        self._lottery = lottery

    def agree(self, fabric: str) -> int:
        """Return the revision of a fabric's definition (DisagreementError)."""
        definition = self._definitions[fabric]
        [found] = self._writer.look(Get(Keys(self._layout.fabric(fabric))))
        return self._agreed(definition, found)

    def propose(self, fabric: str) -> Proposal:
        """Look for blocks to claim, a window at a time."""
        definition = self._definitions[fabric]
        for number, window in enumerate(windows(definition, self._node.name), start=1):
            proposal = self._look(definition, window)
            if proposal.spans:
                return proposal
            if number % _PATIENCE == 0:
                self._refuse_full(definition)
        raise self._full(definition)

    def claim(self, intent: Intent, revision: int) -> Block | None:
        """Claim the first of some blocks that is still free."""
        layout, fabric = self._layout, intent.fabric
        record = BlockRecord(
            node=self._node.name,
            hardware=self._node.hardware,
            boot=self._node.boot_id,
            journal=self._node.journal_id,
            size=self._definitions[fabric].block_size,
            token=intent.token,
        ).encode()
        first_free: tuple[Operation, ...] = ()
        for span in reversed(intent.spans):
            first_free = (self._unless_taken(fabric, span, record, first_free),)
        guards = (absent(layout.frozen), modified_at(layout.fabric(fabric), revision))
        frozen, *blocks = self._writer.turn(
            (Txn(guards, first_free),), (Get(Keys(layout.frozen)), *self._looks(intent))
        )
        if frozen.entries:
            raise frozen_error(frozen.entries[0], self._session)
        return self._mine(intent, blocks)

    def settle(self, intent: Intent) -> Block | None:
        """Return what a claim has got whose answer never came; it gets nothing any more."""
        return self._mine(intent, self._writer.turn((), self._looks(intent)))

    def give_back(self, block: Block) -> bool:
        """Delete a block's key, unless the mirror has claims in it."""
        layout = self._layout
        key = layout.block(block.fabric, block.span)
        unused = none_in(layout.claims(block.fabric, block.span))
        [found] = self._writer.turn(
            (Txn((modified_at(key, block.revision), unused), (Delete(Keys(key)),)),),
            (Get(Keys(key), keys_only=True),),
        )
        return not any(entry.create_revision == block.epoch for entry in found.entries)

    def _look(self, definition: Definition, window: Window) -> Proposal:
        key = self._layout.fabric(definition.name)
        span = Span(definition.block_at(window.first).first, definition.block_at(window.last).last)
        found, blocks = self._writer.look(
            Get(Keys(key)), Get(self._layout.blocks(definition.name, span), keys_only=True)
        )
        revision = self._agreed(definition, found)
        taken = frozenset(slot_of(entry.key) for entry in blocks.entries)
        free = gaps(definition, window, taken)
        choices = self._lottery.sample(free, min(CHOICES, len(free)))
        return Proposal(tuple(choices), revision, len(taken) / (window.last - window.first + 1))

    def _agreed(self, definition: Definition, found: Found) -> int:
        key = self._layout.fabric(definition.name)
        return agreed(definition, key, found if found.entries else self._define(definition, key))

    def _define(self, definition: Definition, key: str) -> Found:
        """Put a fabric that the registry does not know, unless another one has its addresses."""
        fabrics = Keys.below(self._layout.fabric())
        for _ in range(_RACES):
            refuse_overlap(definition, entries(self._writer, fabrics))
            guards = (absent(key), untouched(fabrics, self._session.seen))
            write = Txn(guards, (Put(key, encode(definition)),))
            [found] = self._writer.turn((write,), (Get(Keys(key)),))
            if found.entries:
                return found
        raise RegistryError(
            f"fabric {definition.name} cannot be written to {key}: other fabrics are written there "
            "all the time; try again"
        )

    def _refuse_full(self, definition: Definition) -> None:
        counted = Get(self._layout.blocks(definition.name), count_only=True)
        roomy = sum(run.last - run.first + 1 for run in definition.roomy_blocks)
        if self._writer.look(counted)[0].count >= roomy:
            raise self._full(definition)

    @staticmethod
    def _full(definition: Definition) -> FullError:
        return FullError(f"every block of fabric {definition.name} is taken")

    def _unless_taken(
        self, fabric: str, span: Span, record: bytes, rest: tuple[Operation, ...]
    ) -> Txn:
        key, resting = self._layout.block(fabric, span), self._layout.resting(fabric, span)
        return Txn((absent(key), absent(resting)), (Put(key, record),), rest)

    def _looks(self, intent: Intent) -> tuple[Get, ...]:
        return tuple(Get(Keys(self._layout.block(intent.fabric, span))) for span in intent.spans)

    @staticmethod
    def _mine(intent: Intent, blocks: list[Found]) -> Block | None:
        for span, found in zip(intent.spans, blocks, strict=True):
            for entry in found.entries:
                if BlockRecord.decode(entry.key, entry.value).token == intent.token:
                    return Block(intent.fabric, span, entry.create_revision, entry.mod_revision)
        return None


def frozen_error(entry: KeyValue, session: Session) -> FrozenError:
    """Return the error of what is forbidden while an etcd is restored.

    Args:
        entry: the key `frozen`.
        session: where the journal stands.
    """
    record = FrozenRecord.decode(entry.key, entry.value)
    return FrozenError(
        f"no block is claimed since {record.since}: {record.reason} (node {record.node})",
        answered=entry.mod_revision == session.frozen,
    )
