"""What a node does when etcd has been restored from a backup."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ipam.blocks import Block, State
from ipam.holding.desk import Connection, Desk
from ipam.holding.telling import mirrored
from ipam.journal.transaction import Transaction
from ipam.registry.interface import FrozenError, RestoredError, TakenError

log = logging.getLogger(__name__)


@contextmanager
def answering(desk: Desk, connection: Connection) -> Iterator[None]:
    """Put back what etcd has forgotten, when the block finds that it was restored.

    The block's error is raised nevertheless: what it was about has to begin anew.
    """
    try:
        yield
    except (RestoredError, FrozenError) as error:
        if isinstance(error, RestoredError) or not error.answered:
            put_back(desk, connection)
        raise


def put_back(desk: Desk, connection: Connection) -> None:
    """Put back what a restored etcd may have forgotten of this node, and tell it all anew.

    Claims that are under way are settled first: a block that one got meanwhile is nobody else's.

    Raises:
        RegistryError, EtcdError: then all of it is done again with the next deal.
    """
    registry = connection.registry
    fabrics = desk.fabrics()
    with desk.keep() as tx:
        blocks = [block for fabric in fabrics for block in _asserted(tx, fabric)]
    restored = registry.restore(fabrics, blocks)
    now = desk.now()
    with desk.keep(synced=True) as tx:
        for block in restored.kept:
            tenure = tx.blocks.covering(block.fabric, block.span.first)
            if tenure and tenure.state is State.LOST:
                tx.blocks.adopt(block, now.ns)
            else:
                tx.blocks.renew(block)
        for block in restored.conflicts:
            log.error("%s was restored to another node; nothing of it is given out here", block)
            tx.blocks.withdraw(block, State.LOST)
        # What the mirror has is as old as the backup.
        for fabric in fabrics:
            for tenure in tx.blocks.of(fabric):
                tx.outbox.mark_all(fabric, tenure.block.span)
    _hold_again(desk, connection)


def _asserted(tx: Transaction, fabric: str) -> list[Block]:
    """Return the blocks that are this node's, those that another node has been restored to too."""
    states = (State.OWNED, State.SPARE, State.LOST)
    return [tenure.block for tenure in tx.blocks.of(fabric) if tenure.state in states]


def _hold_again(desk: Desk, connection: Connection) -> None:
    if connection.singles is None:
        return
    now = desk.now()
    with desk.keep() as tx:
        held = [
            (single, mirrored(tx, single.fabric, claim, now))
            for single in tx.outbox.all_singles()
            if (claim := tx.holder(single.fabric, single.slot))
            and claim.container_id == single.container_id
        ]
    for single, seen in held:
        try:
            connection.singles.hold(single, seen)
        except TakenError as error:
            log.error("an address of this node was restored to somebody else: %s", error)  # noqa: TRY400
