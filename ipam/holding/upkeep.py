"""What a node does with the registry when no pod waits for it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from ipam.etcd.errors import EtcdError
from ipam.holding import blocks, joining
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
    """Bring the registry up to date; tell whether it is, and log why it is not."""
    try:
        bring_up_to_date(desk, return_after)
    except (RegistryError, EtcdError) as error:
        log.warning("the registry is not up to date: %s", error)
        return False
    return True


def bring_up_to_date(desk: Desk, return_after: float) -> None:
    """Drain the outbox, keep one spare block per fabric, give back what nothing needs.

    Args:
        desk: the node's.
        return_after: seconds that a block is kept after its last slot was freed.

    Raises:
        RegistryError, EtcdError: the registry was in the way of some of it.
    """
    if not desk.definitions:
        return  # there is nobody to tell; what there is to tell waits for a node file
    restored = False
    while not (progress := _drain(desk, restored=restored)).done:
        restored |= progress.restored
        time.sleep(_PAUSE)
    for fabric in desk.fabrics():
        _tidy(desk, fabric, return_after)


@dataclass(slots=True)
class _Progress:
    done: bool = False
    restored: bool = False
    """What a restored etcd had forgotten was put back."""


def _drain(desk: Desk, *, restored: bool) -> _Progress:
    """Tell the registry what there is to tell, for one deal.

    Args:
        desk: the node's.
        restored: what a restored etcd has forgotten was put back; once is enough, for a conflict
            stays as long as another node leaves it.
    """
    progress = _Progress(restored=restored)
    with desk.deal() as connection, answering(desk, connection):
        joining.join(desk, connection)
        for _ in range(_ROUNDS):
            with desk.keep() as tx:
                if tx.outbox.empty():
                    progress.done = True
                    break
            if tell(desk, connection).frozen and not progress.restored:
                put_back(desk, connection)
                progress.restored = True
    return progress


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
