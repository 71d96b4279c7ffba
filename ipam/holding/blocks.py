"""How a node comes to blocks, and gives them back.

Every change of a block's state is on the disk before the request that it belongs to is sent.
"""

from __future__ import annotations

import logging
import secrets

from ipam.blocks import Block, Intent, State
from ipam.definition import Definition
from ipam.holding.desk import Desk
from ipam.journal.transaction import Claim, Moment, Transaction
from ipam.ranges import Span
from ipam.registry.interface import FullError, Joined, Proposal, Registry

log = logging.getLogger(__name__)

_RACES = 16
"""Proposals of which others took every block; then the fabric is as good as full."""
SPARE_BELOW = 0.75
"""Share of blocks taken, above which a node claims no block before it needs one …"""
NO_SPARE_ABOVE = 0.9
"""… and above which it gives back the one that it does not need."""


def join(desk: Desk, registry: Registry) -> None:
    """Bring the node's blocks up to this boot, unless they are (RegistryError, EtcdError)."""
    boot_id, fabrics = desk.now().boot_id, desk.fabrics()
    with desk.keep() as tx:
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
            for block in _in_state(tx, fabric, state)
        ]
    joined = registry.join(pending, known)
    lost_claims = [claim for block in joined.retired for claim in registry.claims_in(block)]
    with desk.keep(synced=True) as tx:
        for fabric in pending:
            for block in _in_state(tx, fabric, State.RETIRED):
                tx.blocks.drop(block)
        _apply(tx, joined, desk.now())
        for claim in lost_claims:
            tx.recover(claim.fabric, Claim(claim.slot, claim.container_id, claim.pod, desk.now()))
    for fabric in pending:
        _claim_below_claims(desk, registry, fabric)
    with desk.keep(synced=True) as tx:
        for fabric in pending:
            tx.blocks.confirm(fabric, boot_id)


def acquire(desk: Desk, registry: Registry, fabric: str, *, spare: bool = False) -> None:
    """Own one block more (RegistryError, EtcdError).

    Args:
        desk: the node's.
        registry: as the deal under way has it.
        fabric: of which.
        spare: only if most of the fabric is free.
    """
    if settle(desk, registry, fabric):
        return
    for _ in range(_RACES):
        proposal = registry.propose(fabric)
        with desk.keep() as tx:
            tx.blocks.note_taken(fabric, proposal.taken)
            owned = {tenure.block.span for tenure in tx.blocks.of(fabric)}
        if owned.issuperset(proposal.spans):
            raise FullError(f"this node has all of fabric {fabric}")
        if spare and proposal.taken >= SPARE_BELOW:
            return
        if _claim(desk, registry, fabric, proposal, spare=spare):
            return
    raise FullError(f"others took each block of fabric {fabric} that was free a moment ago")


def settle(desk: Desk, registry: Registry, fabric: str) -> bool:
    """Learn what became of a claim whose answer never came; tell whether it got a block."""
    with desk.keep() as tx:
        intent = tx.blocks.intent(fabric)
    if intent is None:
        return False
    return _book(desk, intent, registry.settle(intent))


def finish_returns(desk: Desk, registry: Registry, fabric: str) -> None:
    """Carry out the returns of blocks that are under way."""
    with desk.keep() as tx:
        returning = _in_state(tx, fabric, State.RETURNING)
    for block in returning:
        gone = registry.give_back(block)
        with desk.keep(synced=True) as tx:
            tx.blocks.drop(block)
            if not gone:
                log.warning("%s stays: the mirror has claims in it", block)
                tx.blocks.adopt(block, desk.now().ns)


def begin_returns(desk: Desk, fabric: str, return_after: int) -> bool:
    """Take blocks out of use that nothing needs; tell whether there are any.

    Args:
        desk: the node's.
        fabric: whose blocks.
        return_after: nanoseconds since the last release in a block.
    """
    now = desk.now()
    with desk.keep(synced=True) as tx:
        idle = [tenure.block for tenure in tx.blocks.idle(fabric)]
        surplus = idle[surplus_from(tx.blocks.taken(fabric)) :]
        leaving = [
            block
            for block in surplus
            if not tx.pool.rests_in(fabric, block.span, now.ns - return_after)
        ]
        for block in leaving:
            tx.blocks.withdraw(block, State.RETURNING)
    return bool(leaving)


def surplus_from(taken: float) -> int:
    """Return how many idle blocks a node keeps.

    Args:
        taken: share of the fabric's blocks that are taken, 0 to 1.
    """
    return 0 if taken > NO_SPARE_ABOVE else 1


def wants_spare(tx: Transaction, fabric: str) -> bool:
    """Tell whether a node is to claim a block before it needs one."""
    return not tx.blocks.idle(fabric) and tx.blocks.taken(fabric) < SPARE_BELOW


def due(tx: Transaction) -> bool:
    """Tell whether there is anything to be done with the registry that need not wait for an ADD."""
    return not tx.outbox.empty() or any(
        wants_spare(tx, fabric) for fabric in tx.blocks.shared_fabrics()
    )


def lose(tx: Transaction, block: Block) -> None:
    """Give nothing of a block out any more that the registry says is not this node's."""
    log.error("%s is lost: the registry no longer lists it for this node's journal", block)
    tx.blocks.withdraw(block, State.LOST)


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


def _claim(
    desk: Desk, registry: Registry, fabric: str, proposal: Proposal, *, spare: bool = False
) -> bool:
    intent = Intent(fabric, secrets.token_hex(8), proposal.spans)
    with desk.keep(synced=True) as tx:
        tx.blocks.put_intent(intent)
    return _book(desk, intent, registry.claim(intent, proposal.revision), spare=spare)


def _book(desk: Desk, intent: Intent, block: Block | None, *, spare: bool = False) -> bool:
    """Note the outcome of a claim."""
    with desk.keep(synced=True) as tx:
        tx.blocks.drop_intent(intent.fabric)
        if block and spare:
            tx.blocks.save(block)
        elif block:
            tx.blocks.take(block, desk.now().ns)
    return block is not None


def _claim_below_claims(desk: Desk, registry: Registry, fabric: str) -> None:
    """Claim the blocks that live claims lie in, of a fabric that was this node's own until now."""
    definition = desk.definitions[fabric]
    with desk.keep() as tx:
        spans = _uncovered(tx, definition)
    for span in spans:
        revision = registry.propose(fabric).revision
        if not _claim(desk, registry, fabric, Proposal((span,), revision, 0.0)):
            with desk.keep(synced=True) as tx:
                lose(tx, Block(fabric, span))


def _uncovered(tx: Transaction, definition: Definition) -> list[Span]:
    fabric = definition.name
    spans = {
        definition.block_of(slot)
        for slot in tx.slots_held(fabric)
        if not tx.outbox.singles(fabric, slot) and not tx.blocks.covering(fabric, slot)
    }
    return sorted(spans)


def _in_state(tx: Transaction, fabric: str, state: State) -> list[Block]:
    return [tenure.block for tenure in tx.blocks.of(fabric) if tenure.state is state]
