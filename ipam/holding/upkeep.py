"""What a node does with the registry when no pod waits for it."""

from __future__ import annotations

import logging
import time

from ipam.etcd.interface import EtcdError
from ipam.holding import blocks
from ipam.holding.desk import Desk
from ipam.holding.restoring import answering, put_back
from ipam.holding.telling import tell
from ipam.registry.interface import FullError, RegistryError

log = logging.getLogger(__name__)

_ROUNDS = 16
"""Requests of one deal, so that an ADD that waits for the registry is not kept for long."""
_PAUSE = 0.05
"""Seconds between deals: longer than who waits for the lock takes to look again."""


def run(desk: Desk, return_after: float) -> bool:
    """Drain the outbox, keep one spare block per fabric, give back what nothing needs.

    Args:
        desk: the node's.
        return_after: seconds that a block is kept after its last slot was freed.

    Returns:
        Whether all of it is done; otherwise the registry was in the way, and the log says how.
    """
    try:
        while not _drain(desk):
            time.sleep(_PAUSE)
        for fabric in desk.fabrics():
            _tidy(desk, fabric, return_after)
    except (RegistryError, EtcdError) as error:
        log.warning("the registry is not up to date: %s", error)
        return False
    return True


def _drain(desk: Desk) -> bool:
    """Tell the registry what there is to tell, for one deal; tell whether that was all."""
    with desk.deal() as connection, answering(desk, connection):
        blocks.join(desk, connection.registry)
        for _ in range(_ROUNDS):
            with desk.keep() as tx:
                if tx.outbox.empty():
                    return True
            if tell(desk, connection).frozen:
                put_back(desk, connection)
    return False


def _tidy(desk: Desk, fabric: str, return_after: float) -> None:
    returning = blocks.begin_returns(desk, fabric, int(return_after * 1e9))
    with desk.keep() as tx:
        tx.blocks.forget_lost(fabric)
        spare = blocks.wants_spare(tx, fabric)
    if not returning and not spare:
        return
    with desk.deal() as connection, answering(desk, connection):
        blocks.finish_returns(desk, connection.registry, fabric)
        if spare:
            try:
                blocks.acquire(desk, connection.registry, fabric, spare=True)
            except FullError as error:
                log.info("no spare block: %s", error)
