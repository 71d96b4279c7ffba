"""Telling the registry what is held: the outbox, drained."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from ipam.blocks import Dirty, Single, State
from ipam.holding.blocks import lose
from ipam.holding.desk import Connection, Desk
from ipam.journal.transaction import Claim, Moment, Transaction
from ipam.ranges import Span
from ipam.registry.interface import Change, Mirrored, Told

log = logging.getLogger(__name__)

BATCH = 60
"""Slots that one request tells of: etcd takes 128 operations, two per block and two more."""


def tell(desk: Desk, connection: Connection) -> Told:
    """Tell the registry of the slots that changed first; return what it said.

    Raises:
        RegistryError, EtcdError: then all of it stays in the outbox.
    """
    with desk.keep() as tx:
        notes = tx.outbox.first(BATCH)
        now = desk.now()
        singles = [single for note in notes for single in _released(tx, note)]
        changes = {note: change for note in notes if (change := _change(tx, note, now))}
    told = connection.registry.publish(tuple(changes.values())) if changes else Told()
    for single in singles:
        if connection.singles:
            connection.singles.release(single)
    # What a restored etcd does not list it may have forgotten: it is put back first.
    lost, forgotten = ((), told.lost) if told.frozen else (told.lost, ())
    again = {(block.fabric, block.span) for block in (*told.renewed, *forgotten)}
    with desk.keep() as tx:
        for block in lost:
            lose(tx, block)
        for block in told.renewed:
            tx.blocks.renew(block)
        for single in singles:
            tx.outbox.drop_single(single)
        tx.outbox.settle(note for note in notes if not _goes_again(changes.get(note), again))
    return told


def mirrored(tx: Transaction, fabric: str, claim: Claim, now: Moment) -> Mirrored:
    """Return a claim as others see it."""
    rails = tx.rails().get(fabric, {})
    addresses = tuple(
        str(subnet.network_address + claim.slot)
        for rail in rails.values()
        for subnet in rail.subnets
    )
    return Mirrored(
        fabric, claim.slot, claim.container_id, claim.pod, addresses, _since(claim, now)
    )


def _change(tx: Transaction, note: Dirty, now: Moment) -> Change | None:
    """Return what the mirror is to say of a slot, None of one that it has nothing to say about."""
    tenure = tx.blocks.covering(note.fabric, note.slot)
    if tenure is None or tenure.state is State.LOST:
        return None
    claim = tx.holder(note.fabric, note.slot)
    return Change(tenure.block, note.slot, mirrored(tx, note.fabric, claim, now) if claim else None)


def _released(tx: Transaction, note: Dirty) -> Iterable[Single]:
    claim = tx.holder(note.fabric, note.slot)
    return [
        single
        for single in tx.outbox.singles(note.fabric, note.slot)
        if claim is None or claim.container_id != single.container_id
    ]


def _goes_again(change: Change | None, again: set[tuple[str, Span]]) -> bool:
    return change is not None and (change.block.fabric, change.block.span) in again


def _since(claim: Claim, now: Moment) -> str:
    """Return when a claim was made, as a person reads it."""
    age = (now.ns - claim.since.ns) / 1e9 if claim.since.boot_id == now.boot_id else 0.0
    return datetime.fromtimestamp(time.time() - age, UTC).isoformat(timespec="seconds")
