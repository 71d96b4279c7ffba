"""Whether a node is proven to be gone, and what then goes back.  Pure functions.

The proof is one of two: its own record shows a later boot of the same hardware, so that what it
took in an earlier one is dead; or a person says that it is powered off.  Another name's record is
none: machines that were cloned may share a hardware identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ipam.etcd.interface import Compare, modified_at
from ipam.ranges import Span
from ipam.registry.interface import RegistryError
from ipam.registry.keys import Layout
from ipam.registry.overview import Census, Overview, Stored, span_of
from ipam.registry.records import BlockRecord, ClaimRecord, NodeRecord, Owner, StaticRecord


class UnprovenError(RegistryError):
    """Nothing proves that a node is gone."""


@dataclass(frozen=True, slots=True)
class Remains:
    """All that stands in the registry of one node."""

    node: str
    record: Stored[NodeRecord] | None
    census: Census
    blocks: tuple[Stored[BlockRecord], ...]
    singles: tuple[Stored[StaticRecord], ...]
    """Those that are held."""
    claims: tuple[Stored[ClaimRecord], ...]
    """Of the mirror, also in blocks that are not its own."""
    whole: bool
    """All fabrics were looked into."""

    @property
    def owners(self) -> list[Owner]:
        """Who it was when it took what it has."""
        return [*(one.record for one in self.blocks), *(one.record for one in self.singles)]


@dataclass(frozen=True, slots=True)
class Reclaim:
    """What goes back, and by which proof."""

    node: str
    proof: tuple[Compare, ...]
    """Holds as long as nothing of it comes to life."""
    blocks: tuple[Stored[BlockRecord], ...]
    singles: tuple[Stored[StaticRecord], ...]
    claims: tuple[Stored[ClaimRecord], ...]
    """In blocks that are not among these."""
    journals: tuple[str, ...]
    """Whose turns end."""
    farewell: bool
    """The node itself is forgotten."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to be done."""
        return not (self.blocks or self.singles or self.claims or self.journals or self.farewell)


def remains(overview: Overview, node: str, fabric: str = "") -> Remains:
    """Read what stands of a node.

    Args:
        overview: the registry.
        node: its name.
        fabric: the only one to look into; empty for all.
    """
    census = overview.census()
    return Remains(
        node,
        census.nodes.get(node),
        census,
        tuple(one for one in overview.blocks(fabric) if one.record.node == node),
        tuple(
            one
            for one in overview.singles(fabric)
            if one.record.node == node and not one.record.released
        ),
        tuple(one for one in overview.claims(fabric) if one.record.node == node),
        whole=not fabric,
    )


def proven(left: Remains, layout: Layout, *, fenced: bool, hardware: str = "") -> Reclaim:
    """Return what may go back.

    Args:
        left: what stands of the node.
        layout: the registry's keys.
        fenced: a person says that the machine is powered off.
        hardware: which machine, where several have had this name.

    Raises:
        UnprovenError: nothing may; the message says what is known, and what to do.
    """
    record = left.record.record if left.record else None
    machine = _machine(left, hardware) if fenced else (record.hardware if record else "")
    _refuse_alive(left, machine)
    dead = [owner for owner in left.owners if _is_dead(owner, record, machine, fenced=fenced)]
    if left.owners and not dead:
        raise UnprovenError(_unproven(left, record))
    farewell = fenced and left.whole and record is not None and record.hardware == machine
    blocks = tuple(one for one in left.blocks if one.record in dead)
    journals = {owner.journal for owner in dead}
    if record and not (fenced and record.hardware == machine):
        journals.discard(record.journal)
    elif farewell and record:
        journals.add(record.journal)
    return Reclaim(
        left.node,
        _proof(left, layout),
        blocks,
        tuple(one for one in left.singles if one.record in dead),
        _outside(left.claims, blocks) if fenced and (farewell or record is None) else (),
        tuple(sorted(journals)),
        farewell,
    )


def _is_dead(owner: Owner, record: NodeRecord | None, machine: str, *, fenced: bool) -> bool:
    if fenced:
        return owner.hardware == machine
    return record is not None and owner.of_dead_boot(record)


def _machine(left: Remains, hardware: str) -> str:
    """Return which machine is powered off."""
    known = {owner.hardware for owner in left.owners}
    if left.record:
        known.add(left.record.record.hardware)
    if hardware and hardware not in known:
        raise UnprovenError(
            f"hardware is {hardware!r}, and node {left.node} has been "
            f"{', '.join(sorted(known)) or 'no machine at all'}"
        )
    if len(known) > 1 and not hardware:
        raise UnprovenError(
            f"several machines have been node {left.node}: {', '.join(sorted(known))}; say with "
            "--hardware which of them is powered off"
        )
    return hardware or next(iter(known), "")


def _refuse_alive(left: Remains, machine: str) -> None:
    own = left.census.heartbeats.get(left.node)
    if own and (own.record.hardware == machine or not machine):
        raise UnprovenError(
            f"node {left.node} is alive: it has a heartbeat since {own.record.since}; what it does "
            "not need it returns by itself"
        )
    boots = {owner.boot for owner in left.owners if owner.hardware == machine}
    for name, beat in left.census.heartbeats.items():
        if beat.record.boot in boots:
            raise UnprovenError(
                f"the boot {beat.record.boot} in which node {left.node} took blocks is alive as "
                f"node {name}, which has a heartbeat since {beat.record.since}"
            )


def _unproven(left: Remains, record: NodeRecord | None) -> str:
    namesakes = sorted(
        name
        for name, other in left.census.nodes.items()
        if name != left.node and any(owner.of_dead_boot(other.record) for owner in left.owners)
    )
    if namesakes:
        known = (
            f"{', '.join(namesakes)} has the same hardware identity in another boot, which a "
            "machine that was renamed has, and a clone too"
        )
    elif record:
        known = f"it joined last at {record.since}, in the boot in which it took its blocks"
    else:
        known = "the registry has no record of it"
    return (
        f"nothing proves that node {left.node} is off: {known}; when it is powered off for "
        f"certain: railctl ipam reclaim --node {left.node} --fenced"
    )


def _proof(left: Remains, layout: Layout) -> tuple[Compare, ...]:
    beat = left.census.heartbeats.get(left.node)
    return (
        modified_at(layout.node(left.node), left.record.revision if left.record else 0),
        modified_at(layout.heartbeat(left.node), beat.revision if beat else 0),
    )


def _outside(
    claims: Sequence[Stored[ClaimRecord]], blocks: Sequence[Stored[BlockRecord]]
) -> tuple[Stored[ClaimRecord], ...]:
    """Return the claims that go with none of some blocks."""
    spans: dict[str, list[Span]] = {}
    for block in blocks:
        spans.setdefault(block.fabric, []).append(span_of(block))
    return tuple(
        one
        for one in claims
        if not any(s.first <= one.slot <= s.last for s in spans.get(one.fabric, ()))
    )
