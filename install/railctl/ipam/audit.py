"""What is wrong in the registry by itself.  A pure function."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from install.railctl.ipam.differences import Difference
from ipam.ranges import next_in
from ipam.registry.overview import span_of

if TYPE_CHECKING:
    from ipam.definition import Definition
    from ipam.registry.overview import Stored
    from ipam.registry.records import BlockRecord, ClaimRecord, StaticRecord

_TWO_OWNERS = "drain both nodes, then railctl ipam reclaim the one that is wrong"


def audit(
    definitions: Mapping[str, Definition],
    blocks: Sequence[Stored[BlockRecord]],
    claims: Sequence[Stored[ClaimRecord]],
    singles: Sequence[Stored[StaticRecord]],
    unreadable: Iterable[str],
) -> Iterator[Difference]:
    """Yield all that contradicts something else.

    Args:
        definitions: of the fabrics, by name.
        blocks: all of the registry.
        claims: all of the mirror.
        singles: all addresses that are claimed by themselves.
        unreadable: what is wrong with values that were left out.
    """
    for problem in unreadable:
        yield Difference(problem, "a later railcni may have written it; else delete the key")
    yield from _blocks(definitions, blocks)
    owners = {(one.fabric, slot): one for one in blocks for slot in _slots(one)}
    for claim in claims:
        yield from _claim(claim, owners.get((claim.fabric, claim.slot)))
    for single in singles:
        yield from _single(definitions, single, owners.get((single.fabric, single.slot)))


def _slots(block: Stored[BlockRecord]) -> range:
    span = span_of(block)
    return range(span.first, span.last + 1)


def _blocks(
    definitions: Mapping[str, Definition], blocks: Sequence[Stored[BlockRecord]]
) -> Iterator[Difference]:
    for one, other in pairwise(sorted(blocks, key=lambda block: (block.fabric, block.slot))):
        if one.fabric == other.fabric and span_of(one).last >= other.slot:
            yield Difference(f"{_named(one)} overlaps {_named(other)}", _TWO_OWNERS)
    for block in blocks:
        definition = definitions.get(block.fabric)
        if definition is None:
            yield Difference(
                f"{_named(block)} is of a fabric that has no definition",
                "the next node that needs a block writes it; else reclaim it",
            )
        elif definition.block_of(block.slot) != span_of(block):
            yield Difference(
                f"{_named(block)} is no block of {definition.block_size} slots", _TWO_OWNERS
            )


def _claim(claim: Stored[ClaimRecord], block: Stored[BlockRecord] | None) -> Iterator[Difference]:
    what = (
        f"slot {claim.slot} of fabric {claim.fabric} is held by container {claim.record.container} "
        f"on node {claim.record.node}"
    )
    if block is None:
        yield Difference(
            f"{what}, in a block that nobody owns",
            f"on that node: railctl ipam verify; if it is gone: railctl ipam reclaim --node "
            f"{claim.record.node}",
        )
    elif block.record.node != claim.record.node:
        yield Difference(
            f"{what}, in a block of node {block.record.node}",
            "two pods may have the address: railctl ipam verify on both nodes",
        )


def _single(
    definitions: Mapping[str, Definition],
    single: Stored[StaticRecord],
    block: Stored[BlockRecord] | None,
) -> Iterator[Difference]:
    definition = definitions.get(single.fabric)
    what = f"slot {single.slot} of fabric {single.fabric} is claimed by itself"
    if block is not None:
        yield Difference(
            f"{what} on node {single.record.node}, and lies in {_named(block)}",
            "two pods may have the address: end the one that requested it",
        )
    elif definition and next_in(definition.requestable, single.slot) != single.slot:
        yield Difference(
            f"{what} on node {single.record.node}, outside the static ranges",
            "end that pod, or let the ranges have it: railctl fabric change",
        )


def _named(block: Stored[BlockRecord]) -> str:
    span = span_of(block)
    return f"block {span.first}-{span.last} of fabric {block.fabric} (node {block.record.node})"
