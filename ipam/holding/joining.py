"""How a node takes up its blocks: after a boot, with a new name, in a fabric that was its own."""

from __future__ import annotations

import logging

from ipam.blocks import Block, Single, State
from ipam.definition import Definition
from ipam.holding.blocks import claim_one, expect, finish_returns, in_state, lose, settle
from ipam.holding.desk import Connection, Desk
from ipam.holding.telling import mirrored
from ipam.journal.transaction import Claim, Moment, Transaction
from ipam.ranges import next_in
from ipam.registry.interface import Joined, Proposal, TakenError

log = logging.getLogger(__name__)


def join(desk: Desk, connection: Connection) -> None:
    """Bring the node's blocks up to this boot, unless they are (RegistryError, EtcdError)."""
    registry = connection.registry
    boot_id, fabrics = desk.now().boot_id, desk.fabrics()
    with desk.keep() as tx:
        tx.begin_boot(desk.now())
        pending = [fabric for fabric in fabrics if not tx.blocks.confirmed(fabric, boot_id)]
    if not pending:
        return
    for fabric in pending:
        settle(desk, registry, fabric)
        finish_returns(desk, registry, fabric)
    with desk.keep() as tx:
        known = [
            block
            for fabric in pending
            for state in (State.OWNED, State.SPARE)
            for block in in_state(tx, fabric, state)
        ]
    joined = registry.join(pending, known)
    lost_claims = [claim for block in joined.retired for claim in registry.claims_in(block)]
    with desk.keep(synced=True) as tx:
        for fabric in pending:
            for block in in_state(tx, fabric, State.RETIRED):
                tx.blocks.drop(block)
        _apply(tx, joined, desk.now())
        for claim in lost_claims:
            tx.recover(claim.fabric, Claim(claim.slot, claim.container_id, claim.pod, desk.now()))
    for fabric in pending:
        _claim_below_claims(desk, connection, fabric)
    with desk.keep(synced=True) as tx:
        for fabric in pending:
            expect(tx, desk.definitions[fabric])
            tx.blocks.confirm(fabric, boot_id)


def _apply(tx: Transaction, joined: Joined, now: Moment) -> None:
    for block in joined.confirmed:
        tx.blocks.renew(block)
    for block in joined.lost:
        lose(tx, block)
    for block in joined.adopted:
        tx.blocks.adopt(block, now.ns)
        tx.outbox.mark_all(block.fabric, block.span)  # the mirror still has who was there
    for block in joined.retired:
        log.warning("%s is retired: an earlier journal of this boot had claims in it", block)
        tx.blocks.withdraw(block, State.RETIRED)


def _claim_below_claims(desk: Desk, connection: Connection, fabric: str) -> None:
    """Claim what live claims lie in, of a fabric that was this node's own until now.

    That is their blocks, and in the static ranges each address by itself.
    """
    definition = desk.definitions[fabric]
    with desk.keep(synced=True) as tx:
        loose = [
            slot
            for slot in tx.slots_held(fabric)
            if not tx.outbox.singles(fabric, slot) and not tx.blocks.covering(fabric, slot)
        ]
    spans = {definition.block_of(slot) for slot in loose if not _by_itself(definition, slot)}
    for span in sorted(spans):
        revision = connection.registry.propose(fabric).revision
        proposal = Proposal((span,), revision, 0.0)
        if not claim_one(desk, connection.registry, fabric, proposal):
            with desk.keep(synced=True) as tx:
                lose(tx, Block(fabric, span))
    _hold_each(desk, connection, [s for s in loose if _by_itself(definition, s)], fabric)


def _hold_each(desk: Desk, connection: Connection, slots: list[int], fabric: str) -> None:
    for slot in slots:
        with desk.keep() as tx:
            now, claim = desk.now(), tx.holder(fabric, slot)
            seen = mirrored(tx, fabric, claim, now) if claim else None
        if claim is None or seen is None or connection.singles is None:
            continue
        single = Single(fabric, slot, claim.container_id)
        try:
            connection.singles.hold(single, seen)
        except TakenError as error:
            log.error("an address of this node is somebody else's too: %s", error)  # noqa: TRY400 - told as any other
        with desk.keep(synced=True) as tx:
            tx.outbox.put_single(single)
            tx.outbox.mark(fabric, slot)


def _by_itself(definition: Definition, slot: int) -> bool:
    return next_in(definition.requestable, slot) == slot
