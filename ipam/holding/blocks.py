"""How a node comes to blocks, and gives them back.

Every change of a block's state is on the disk before the request that it belongs to is sent.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace

from ipam.blocks import Block, Intent, State
from ipam.definition import Definition
from ipam.holding.desk import Desk
from ipam.journal.transaction import Transaction
from ipam.registry.interface import FullError, Proposal, Registry

log = logging.getLogger(__name__)

_RACES = 16
"""Proposals of which others took every block; then the fabric is as good as full."""
SPARE_BELOW = 0.75
"""Share of blocks taken, above which a node claims no block before it needs one …"""
NO_SPARE_ABOVE = 0.9
"""… and above which it gives back the one that it does not need."""


def expect(tx: Transaction, definition: Definition) -> None:
    """Use the blocks of a fabric only while the registry has agreed to its definition."""
    tx.blocks.expect(definition.name, definition.text)


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
            tenures = tx.blocks.of(fabric)
        if {tenure.block.span for tenure in tenures}.issuperset(proposal.spans):
            raise FullError(f"this node has all of fabric {fabric}")
        if spare and proposal.taken >= SPARE_BELOW:
            return
        # Pods of a lost journal may live in a block that the registry has forgotten.
        retired = {tenure.block.span for tenure in tenures if tenure.state is State.RETIRED}
        spans = tuple(span for span in proposal.spans if span not in retired)
        if claim_one(desk, registry, fabric, replace(proposal, spans=spans), spare=spare):
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
        returning = in_state(tx, fabric, State.RETURNING)
    for block in returning:
        gone = registry.give_back(block)
        with desk.keep(synced=True) as tx:
            tx.blocks.drop(block)
            if not gone:
                log.warning("%s stays: the mirror has claims in it", block)
                tx.blocks.adopt(block, desk.now().ns)


def begin_returns(desk: Desk, fabric: str, return_after: int) -> bool:
    """Take blocks out of use that nothing needs; tell whether any are to be returned.

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
        return bool(in_state(tx, fabric, State.RETURNING))


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


def claim_one(
    desk: Desk, registry: Registry, fabric: str, proposal: Proposal, *, spare: bool = False
) -> bool:
    """Claim one of some blocks; tell whether it got one (RegistryError, EtcdError)."""
    intent = Intent(fabric, secrets.token_hex(8), proposal.spans)
    with desk.keep(synced=True) as tx:
        tx.blocks.put_intent(intent)
    return _book(desk, intent, registry.claim(intent, proposal.revision), spare=spare)


def _book(desk: Desk, intent: Intent, block: Block | None, *, spare: bool = False) -> bool:
    """Note the outcome of a claim."""
    with desk.keep(synced=True) as tx:
        tx.blocks.drop_intent(intent.fabric)
        if block:
            tx.blocks.take(block, desk.now().ns, spare=spare)
    return block is not None


def in_state(tx: Transaction, fabric: str, state: State) -> list[Block]:
    """Return the blocks of a fabric that are in a state."""
    return [tenure.block for tenure in tx.blocks.of(fabric) if tenure.state is state]
