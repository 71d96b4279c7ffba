"""Reading everything of one kind that stands in etcd, a page at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from ipam.blocks import Block
from ipam.etcd.interface import Get, Keys, KeyValue
from ipam.ranges import Span
from ipam.registry.keys import Layout, slot_of
from ipam.registry.records import BlockRecord
from ipam.registry.writer import Writer

_PAGE = 1000
"""Keys that are read in one go."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A block as it stands in the registry."""

    block: Block
    key: str
    record: BlockRecord


def entries(writer: Writer, keys: Keys) -> Iterator[KeyValue]:
    """Yield all keys of a range; what is put or deleted meanwhile may or may not be among them."""
    while True:
        [found] = writer.look(Get(keys, limit=_PAGE))
        yield from found.entries
        if not found.more:
            return
        keys = replace(keys, first=found.entries[-1].key + "\0")


def listed(
    writer: Writer, layout: Layout, fabric: str, mentioning: Sequence[str] = ()
) -> Iterator[Listed]:
    """Yield a fabric's blocks.

    Args:
        writer: reads them.
        layout: where they are.
        fabric: whose.
        mentioning: with it, only those whose record has one of these texts (ASCII) somewhere: to
            read thousands of others' takes long.
    """
    texts = [text.encode() for text in mentioning]
    for entry in entries(writer, layout.blocks(fabric)):
        if texts and not any(text in entry.value for text in texts):
            continue
        record = BlockRecord.decode(entry.key, entry.value)
        first = slot_of(entry.key)
        span = Span(first, first + record.size - 1)
        block = Block(fabric, span, entry.create_revision, entry.mod_revision)
        yield Listed(block, entry.key, record)
