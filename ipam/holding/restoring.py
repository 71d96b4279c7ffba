"""What a node does when etcd has been restored from a backup."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ipam.blocks import Block, State
from ipam.holding.desk import Connection, Desk
from ipam.holding.telling import mirrored
from ipam.journal.transaction import Moment, Transaction
from ipam.registry.interface import FrozenError, Held, RestoredError

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

    A block that was lost, and in which pods live, comes back, but nothing more is given out of it:
    others may have pods there too.

    Raises:
        RegistryError, EtcdError: then all of it is done again with the next deal.
    """
    fabrics = desk.fabrics()
    now = desk.now()
    with desk.keep() as tx:
        blocks = [block for fabric in fabrics for block in _asserted(tx, fabric)]
        held = list(_held(tx, fabrics, now))
        joined = [fabric for fabric in fabrics if tx.blocks.confirmed(fabric, now.boot_id)]
    restored = connection.registry.restore(fabrics, blocks, held, joined)
    with desk.keep(synced=True) as tx:
        for block in restored.kept:
            tenure = tx.blocks.covering(block.fabric, block.span.first)
            if tenure and tenure.state is State.LOST:
                tx.blocks.withdraw(block, State.RETIRED)
            else:
                tx.blocks.renew(block)
        for block in restored.conflicts:
            log.error("%s was restored to another node; nothing of it is given out here", block)
            tenure = tx.blocks.covering(block.fabric, block.span.first)
            if tenure and tenure.state is not State.RETIRED:
                tx.blocks.withdraw(block, State.LOST)
        for reason in restored.refused:
            log.error("an address of this node was restored to somebody else: %s", reason)
        # What the mirror has is as old as the backup.
        for fabric in fabrics:
            for tenure in tx.blocks.of(fabric):
                if tenure.state is State.OWNED:
                    tx.outbox.mark_all(fabric, tenure.block.span)
            for slot in tx.slots_held(fabric):
                tx.outbox.mark(fabric, slot)


def _asserted(tx: Transaction, fabric: str) -> list[Block]:
    """Return the blocks that are this node's, or in which its pods may live."""
    tx.blocks.forget_lost(fabric)
    return [one.block for one in tx.blocks.of(fabric) if one.state is not State.RETURNING]


def _held(tx: Transaction, fabrics: Sequence[str], now: Moment) -> Iterator[Held]:
    """Yield the addresses that were claimed one by one and have their holder."""
    for single in tx.outbox.all_singles():
        claim = tx.holder(single.fabric, single.slot)
        if claim and claim.container_id == single.container_id and single.fabric in fabrics:
            yield single, mirrored(tx, single.fabric, claim, now)
