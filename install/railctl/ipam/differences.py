"""In what a journal, the registry and the kernel differ.  Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ipam.blocks import State
from ipam.registry.overview import span_of

if TYPE_CHECKING:
    from cni.kernel.types import NetnsId
    from cni.rail.attachment import Record
    from install.railctl.ipam.local import Local, Slot
    from install.railctl.ipam.namespaces import Seen, View
    from ipam.blocks import Tenure
    from ipam.registry.overview import Stored
    from ipam.registry.records import BlockRecord, ClaimRecord, StaticRecord

_OURS = (State.OWNED, State.SPARE)
_LOST = "nothing of it is given out here; drain this node's pods of that fabric one by one"
_UPKEEP = "run rail-upkeep, and look again"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two of them do not say alike."""

    what: str
    advice: str
    pending: bool = False
    """It is under way: the registry is yet to be told."""


def with_registry(
    local: Local,
    node: str,
    blocks: Mapping[tuple[str, int], Stored[BlockRecord]],
    claims: Mapping[Slot, Stored[ClaimRecord]],
    singles: Mapping[Slot, Stored[StaticRecord]],
) -> Iterator[Difference]:
    """Compare a journal with what the registry has of its node.

    Args:
        local: the journal.
        node: its name.
        blocks: all of the registry, by fabric and first slot.
        claims: the mirror.
        singles: the addresses that are claimed by themselves.
    """
    for tenure in local.tenures:
        place = tenure.block.fabric, tenure.block.span.first
        yield from _tenure(local, tenure, blocks.get(place))
    known = {(one.block.fabric, one.block.span.first) for one in local.tenures}
    for place, block in blocks.items():
        if block.record.node == node and place not in known:
            yield _unknown(local, block)
    for mine in [one.block for one in local.tenures if one.state in _OURS]:
        run = range(mine.span.first, mine.span.last + 1)
        yield from _mirror(local, claims, [(mine.fabric, slot) for slot in run])
    for single in local.singles:
        yield from _single(local, (single.fabric, single.slot), single.container_id, singles)


def _tenure(
    local: Local, tenure: Tenure, stands: Stored[BlockRecord] | None
) -> Iterator[Difference]:
    block, pending = tenure.block, tenure.block.fabric in local.claiming
    if tenure.state is State.LOST:
        held = [at for at in local.claims if _in(at, tenure)]
        if held:
            yield Difference(f"{block} is lost, and {len(held)} of its slots are held", _LOST)
    elif tenure.state not in _OURS:
        return
    elif stands is None:
        yield Difference(f"{block} is this node's, and etcd has no such block", _LOST, pending)
    elif stands.record.journal != local.journal_id:
        yield Difference(
            f"{block} is this node's, and in etcd {stands.record.node}'s", _LOST, pending
        )
    elif stands.entry.create_revision != block.epoch:
        yield Difference(
            f"{block} was claimed at revision {block.epoch}, and in etcd at "
            f"{stands.entry.create_revision}",
            _UPKEEP,
            pending,
        )


def _in(at: Slot, tenure: Tenure) -> bool:
    span = tenure.block.span
    return at[0] == tenure.block.fabric and span.first <= at[1] <= span.last


def _unknown(local: Local, block: Stored[BlockRecord]) -> Difference:
    span = span_of(block)
    what = f"block {span.first}-{span.last} of fabric {block.fabric} is this node's in etcd"
    if block.record.journal == local.journal_id:
        return Difference(
            f"{what}, and the journal does not know it", _UPKEEP, block.fabric in local.claiming
        )
    return Difference(
        f"{what}, under a journal that is gone ({block.record.journal})",
        "after the next boot of this machine it is used again; if it was another machine's: "
        f"railctl ipam reclaim --node {block.record.node} --hardware {block.record.hardware}",
    )


def _mirror(
    local: Local, claims: Mapping[Slot, Stored[ClaimRecord]], slots: Iterable[Slot]
) -> Iterator[Difference]:
    for at in slots:
        mine, theirs = local.claims.get(at), claims.get(at)
        here = mine.container_id if mine else ""
        there = theirs.record.container if theirs else ""
        if here != there:
            yield Difference(
                f"slot {at[1]} of fabric {at[0]} is held by {_who(here)} here, and by "
                f"{_who(there)} in the mirror",
                _UPKEEP if at in local.pending else "report it: the outbox has forgotten it",
                at in local.pending,
            )


def _who(container: str) -> str:
    return f"container {container}" if container else "nobody"


def _single(
    local: Local, at: Slot, container: str, singles: Mapping[Slot, Stored[StaticRecord]]
) -> Iterator[Difference]:
    claim, stands = local.claims.get(at), singles.get(at)
    if claim is None or claim.container_id != container:
        return  # its release is still to be told
    there = stands.record.container if stands and not stands.record.released else ""
    if there != container:
        yield Difference(
            f"slot {at[1]} of fabric {at[0]} is held by {_who(container)} here, and by itself in "
            f"etcd by {_who(there)}",
            "end one of the two pods" if there else "restart the pod",
            at in local.pending,
        )


def with_kernel(
    local: Local, view: View, records: Iterable[Record], young: frozenset[Slot]
) -> Iterator[Difference]:
    """Compare a journal with the addresses that this node's namespaces have.

    Args:
        local: the journal.
        view: the namespaces.
        records: what rail-sriov has attached in this boot.
        young: slots that were claimed a moment ago: their pods may still be without address.
    """
    by_address: dict[str, list[Seen]] = {}
    for one in view.seen:
        by_address.setdefault(str(one.address), []).append(one)
    yield from _unclaimed(local, by_address)
    homes = _homes(records)
    for at, claim in local.claims.items():
        attached = {one.rail for one in local.held if (one.fabric, one.slot) == at}
        shown = [one for each in local.addresses(at, attached) for one in by_address.get(each, ())]
        if len(paths := {one.path for one in shown}) > 1:
            yield Difference(
                f"slot {at[1]} of fabric {at[0]} is in {len(paths)} namespaces: "
                + ", ".join(map(str, shown)),
                f"only container {claim.container_id} may have it: take it away from the others",
            )
        alive = any(netns in view.namespaces for netns in homes.get(claim.container_id, ()))
        if not shown and not alive and at not in young and at not in local.pending:
            yield Difference(
                f"slot {at[1]} of fabric {at[0]} is held by {claim}, and no namespace has "
                + (" or ".join(sorted(local.addresses(at, attached))) or "its address"),
                f"if that pod is gone: railctl ipam release {claim.container_id}",
            )


def _homes(records: Iterable[Record]) -> dict[str, list[NetnsId]]:
    homes: dict[str, list[NetnsId]] = {}
    for record in records:
        homes.setdefault(record.attachment.container_id, []).append(record.netns)
    return homes


def _unclaimed(local: Local, by_address: Mapping[str, list[Seen]]) -> Iterator[Difference]:
    claimed = {each for at in local.claims for each in local.addresses(at)}
    for address, places in by_address.items():
        if address not in claimed and (at := _slot(local, places[0])) and at not in local.pending:
            yield Difference(
                f"{address} is on {', '.join(map(str, places))}, and nobody has claimed slot "
                f"{at[1]} of fabric {at[0]} on this node",
                "another pod may get it: end what uses it, or exclude it in the node files",
            )


def _slot(local: Local, one: Seen) -> Slot | None:
    """Return the slot of an address that rails of this node may give out."""
    for fabric, rails in local.rails.items():
        for rail in rails.values():
            slot = rail.slot_of(one.address)
            if slot is not None and rail.allows(slot):
                return fabric, slot
    return None
