"""What the registry has, as rows for a person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from install.railctl.ipam.cluster import RefusedError
from ipam.ranges import Address, Rail, listing, next_in
from ipam.registry.overview import span_of

if TYPE_CHECKING:
    from ipam.definition import Definition
    from ipam.registry.overview import Census, Overview, Stored, StoredFabric
    from ipam.registry.records import BlockRecord, StaticRecord

Row = dict[str, str]
_NO_HEARTBEAT = "no heartbeat"


def chosen(fabrics: dict[str, StoredFabric], fabric: str) -> dict[str, StoredFabric]:
    """Return the fabrics that were asked for (RefusedError when there is none of that name)."""
    if fabric and fabric not in fabrics:
        known = ", ".join(sorted(fabrics)) or "none"
        raise RefusedError(f"--fabric is {fabric!r}, and the registry knows {known}")
    return {name: one for name, one in fabrics.items() if fabric in ("", name)}


def held(overview: Overview, definition: Definition, census: Census) -> Iterator[Row]:
    """Yield who holds what of a fabric, by itself or in blocks."""
    name = definition.name
    owners = {one.slot: one for one in overview.blocks(name)}
    for claim in overview.claims(name):
        record = claim.record
        block = owners.get(definition.block_of(claim.slot).first)
        yield {
            "addresses": " ".join(record.addresses),
            "fabric": name,
            "slot": str(claim.slot),
            "node": record.node,
            "pod": _pod(record.pod.namespace, record.pod.name),
            "container": record.container,
            "since": record.since,
            "note": ", ".join(_notes(record.node, census, block)),
        }
    for single in overview.singles(name):
        yield _single_row(definition, single, census)


def _notes(node: str, census: Census, block: Stored[BlockRecord] | None) -> Iterator[str]:
    if census.is_silent(node):
        yield _NO_HEARTBEAT
    if block is None:
        yield "in a block that nobody owns"
    elif block.record.node != node:
        yield f"in a block of {block.record.node}"


def _single_row(definition: Definition, single: Stored[StaticRecord], census: Census) -> Row:
    record = single.record
    pod = _pod(record.pod.namespace, record.pod.name)
    kind = f"sticky for {record.sticky}" if record.sticky else "requested"
    if record.released:
        kind = f"released, kept for {record.sticky} until its lease ends"
    elif census.is_silent(record.node):
        kind = f"{kind}, {_NO_HEARTBEAT}"
    return {
        "addresses": " ".join(addresses(definition, single.slot)),
        "fabric": definition.name,
        "slot": str(single.slot),
        "node": record.node,
        "pod": "" if record.released else pod,
        "container": "" if record.released else record.container,
        "since": record.since,
        "note": kind,
    }


def addresses(definition: Definition, slot: int) -> list[str]:
    """Return a slot's addresses on every rail."""
    rails = (definition.rail(rail.name) for rail in definition.rails)
    return [str(each.ip) for rail in rails for each in rail.addresses(slot)]


def _pod(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if name else ""


def silent(blocks: Sequence[Stored[BlockRecord]], census: Census, node: str) -> list[Row]:
    """Return the nodes that own blocks and have no heartbeat, while others have one."""
    count = Counter(
        one.record.node
        for one in blocks
        if census.is_silent(one.record.node) and node in ("", one.record.node)
    )
    return [{"node": name, "blocks": str(number)} for name, number in sorted(count.items())]


def whose(
    overview: Overview, fabrics: dict[str, StoredFabric], census: Census, wanted: Address
) -> Row:
    """Return whose an address is (RefusedError when it is no fabric's)."""
    found = locate([each.definition for each in fabrics.values()], wanted)
    if found is None:
        raise RefusedError(
            f"{wanted} is no address of a fabric that the registry knows: "
            + (listing(net for f in fabrics.values() for net in f.definition.subnets) or "none")
        )
    definition, rail, slot = found
    place = overview.place(definition, slot)
    row = {"address": str(wanted), "fabric": definition.name, "rail": rail.name, "slot": str(slot)}
    block = place.block
    if place.single:
        row |= _single_row(definition, place.single, census)
    elif place.claim:
        record = place.claim.record
        row |= {
            "addresses": " ".join(record.addresses),
            "node": record.node,
            "pod": _pod(record.pod.namespace, record.pod.name),
            "container": record.container,
            "since": record.since,
            "note": ", ".join(_notes(record.node, census, block)),
        }
    row["block"] = "{0.first}-{0.last}".format(
        span_of(block) if block else definition.block_of(slot)
    )
    row["owner"] = block.record.node if block else ""
    row["state"] = _state(definition, slot, rests=place.rests, owned=block is not None)
    if block and census.is_silent(block.record.node):
        row["state"] += f", {_NO_HEARTBEAT}"
    return row


def _state(definition: Definition, slot: int, *, rests: bool, owned: bool) -> str:
    if next_in(definition.requestable, slot) == slot:
        return "static: given on request only"
    if next_in(definition.usable, slot) != slot:
        return "never given"
    if owned:
        return "owned"
    return "reclaimed a moment ago, and rests" if rests else "free"


def locate(
    definitions: Iterable[Definition], address: Address
) -> tuple[Definition, Rail, int] | None:
    """Return the fabric, rail and slot of an address, None when it is no fabric's."""
    for definition in definitions:
        for member in definition.rails:
            rail = definition.rail(member.name)
            slot = rail.slot_of(address)
            if slot is not None and slot <= definition.slots.last:
                return definition, rail, slot
    return None
