"""Which slot an attachment gets.

In this order: the one it has; the one it asks for; one that its container holds and does not use on
this rail yet; one that nobody had lately; the one that has rested longest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from cni.protocol.errors import CniError, Code
from cni.protocol.request import Attachment, Pod
from ipam.journal.transaction import Claim, Held
from ipam.ranges import UNLIMITED, Fabric, Span, Spans, intersect, listing, next_in

if TYPE_CHECKING:
    from ipam.journal.pool import Freed
    from ipam.journal.transaction import Moment, Transaction

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Demand:
    """What one ADD asks for."""

    attachment: Attachment
    pod: Pod
    rail: str
    quarantine: int
    """Nanoseconds that a freed slot rests."""
    slot: int | None = None
    """The slot of the requested addresses, if any were."""
    within: Spans = UNLIMITED
    """The slots that are given without being asked for."""
    single: bool = False
    """`slot` is in no block: the registry gives it by itself."""
    hurried: bool = False
    """Break the quarantine when nothing has rested, and refuse when there is nothing at all."""
    sandbox: tuple[int, int, int] | None = None
    """The network namespace, where it is to be remembered."""


@dataclass(frozen=True, slots=True)
class Rested:
    """A choice among the slots that rest."""

    slot: int | None
    early: bool = False
    """Its quarantine is not over, and nobody else's is."""
    idle: tuple[int, ...] = ()
    """Slots met on the way that have rested, but that the configuration no longer gives out."""


def allocate(tx: Transaction, fabric: Fabric, demand: Demand, now: Moment) -> int | None:
    """Give an attachment a slot; return it, None when the node has none ready.

    Raises:
        CniError: code 11, naming holder, rail or fabric, when it cannot have one.
    """
    held = tx.held(demand.attachment)
    if held:
        _refuse_other(fabric, demand, held)
        if held.sandbox != demand.sandbox:
            tx.move(held, demand.sandbox)
        return held.slot
    container_id = demand.attachment.container_id
    rails_by_slot = tx.rails_by_slot(fabric.name, container_id)
    slot = joinable(rails_by_slot, demand.rail) if demand.slot is None else demand.slot
    if slot in rails_by_slot:
        _refuse_join(fabric, demand, slot, rails_by_slot[slot])
    else:
        if not demand.single and not tx.blocks.usable(fabric.name, now.boot_id):
            return None
        slot = _unclaimed(tx, fabric, demand, now) if slot is None else slot
        if slot is None:
            return None
        _refuse_unavailable(fabric, slot, tx.holder(fabric.name, slot))
        claim = Claim(slot, container_id, demand.pod, now)
        tx.claim(fabric.name, claim, single=demand.single)
    tx.attach(Held(demand.attachment, fabric.name, demand.rail, slot, now, demand.sandbox))
    return slot


def joinable(rails_by_slot: Mapping[int, Collection[str]], rail: str) -> int | None:
    """Return the first slot of a container that it does not use on a rail yet.

    Args:
        rails_by_slot: the container's slots, the earliest claim first, and the rails that use each.
        rail: the rail that wants one.
    """
    return next((slot for slot, rails in rails_by_slot.items() if rail not in rails), None)


def first_fresh(fabric: Fabric, next_run: Callable[[int], Span | None]) -> int | None:
    """Return the lowest usable fresh slot.

    Runs and usable spans are leapt over in turn: the number of steps depends on what is excluded,
    not on what is held.

    Args:
        fabric: what is usable.
        next_run: the lowest run of fresh slots that does not end below a slot.
    """
    slot = fabric.next_usable(0)
    while slot is not None:
        run = next_run(slot)
        if run is None or run.first <= slot:
            return slot if run else None
        slot = fabric.next_usable(run.first)
    return None


def choose_rested(fabric: Fabric, freed: Iterable[Freed], ready_at: int) -> Rested:
    """Return the usable slot that has rested longest, even when that is not long enough.

    Args:
        fabric: what is usable.
        freed: what rests, least recently freed first; read only as far as needed.
        ready_at: what was freed at this time (ns) or before has rested.
    """
    idle: list[int] = []
    for entry in freed:
        ready = entry.freed_at <= ready_at
        if fabric.allows(entry.slot):
            return Rested(entry.slot, not ready, tuple(idle))
        if ready:
            idle.append(entry.slot)
    return Rested(None, idle=tuple(idle))


def _unclaimed(tx: Transaction, fabric: Fabric, demand: Demand, now: Moment) -> int | None:
    fabric = replace(fabric, limits=intersect(fabric.limits, demand.within))
    slot = first_fresh(fabric, partial(tx.pool.fresh_run, fabric.name))
    if slot is not None:
        return slot
    rested = choose_rested(fabric, tx.pool.freed(fabric.name), now.ns - demand.quarantine)
    # Otherwise every later ADD would pass over them again.
    for idle in rested.idle:
        tx.pool.wake(fabric.name, idle)
    if not demand.hurried:
        return None if rested.early else rested.slot
    if rested.slot is None:
        raise CniError(
            Code.TRY_AGAIN,
            f"fabric {fabric.name} is full: {tx.count_held(fabric.name)} slots are held, and "
            f"{listing(fabric.subnets)} with its ranges and exclusions leave no other",
            "stop pods that use it, or widen rangeStart, rangeEnd, exclude or the subnets",
        )
    if rested.early:
        log.warning(
            "fabric %s: nothing has rested for %g s, slot %d is given out early",
            fabric.name, demand.quarantine / 1e9, rested.slot,
        )  # fmt: skip
    return rested.slot


def _refuse_other(fabric: Fabric, demand: Demand, held: Held) -> None:
    """A repeated ADD gets what it has, so it must not ask for anything else."""
    asked = (fabric.name, demand.rail, held.slot if demand.slot is None else demand.slot)
    if asked != (held.fabric, held.rail, held.slot):
        raise CniError(
            Code.TRY_AGAIN,
            f"{demand.attachment.ifname} of container {demand.attachment.container_id} already "
            f"holds slot {held.slot} on rail {held.rail} of fabric {held.fabric}",
            "its configuration or requested address has changed since: DEL it before the next ADD",
        )


def _refuse_join(fabric: Fabric, demand: Demand, slot: int, rails: Collection[str]) -> None:
    rail = fabric.rail(demand.rail)
    container_id, addresses = demand.attachment.container_id, listing(rail.addresses(slot))
    if rail.name in rails:
        raise CniError(
            Code.TRY_AGAIN,
            f"{addresses} is held by another attachment of the same container, {container_id}",
            "ask for another address, or for none",
        )
    if not rail.allows(slot):
        raise CniError(
            Code.TRY_AGAIN,
            f"container {container_id} holds slot {slot} of fabric {fabric.name}, and rail "
            f"{rail.name} does not give out {addresses}: its exclude or gateway forbids it",
            "recreate the pod: this rail's exclusions are known now, and new claims avoid them",
        )
    if next_in(fabric.limits, slot) != slot:
        raise CniError(
            Code.TRY_AGAIN,
            f"container {container_id} holds slot {slot} of fabric {fabric.name}, and {addresses} "
            "is outside rangeStart and rangeEnd",
            f"give the networks of fabric {fabric.name} the same rangeStart and rangeEnd: a pod "
            "has one slot on all rails",
        )


def _refuse_unavailable(fabric: Fabric, slot: int, holder: Claim | None) -> None:
    if holder:
        raise CniError(
            Code.TRY_AGAIN,
            f"slot {slot} of fabric {fabric.name} ({_on_each(fabric, slot)}) is held by {holder}",
            "ask for another address, or for none",
        )
    forbidding = next((rail for rail in fabric.rails if not rail.allows(slot)), None)
    if forbidding:
        raise CniError(
            Code.TRY_AGAIN,
            f"{listing(forbidding.addresses(slot))} is not given out on rail {forbidding.name}: "
            "its exclude or gateway forbids it, or it is no address for a host",
            f"a slot is used on every rail of fabric {fabric.name}; ask for another address",
        )
    if not fabric.allows(slot):
        raise CniError(
            Code.TRY_AGAIN,
            f"slot {slot} of fabric {fabric.name} ({_on_each(fabric, slot)}) is outside rangeStart "
            "and rangeEnd",
            "ask for another address",
        )


def _on_each(fabric: Fabric, slot: int) -> str:
    return listing(address.ip for rail in fabric.rails for address in rail.addresses(slot))
