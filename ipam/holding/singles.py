"""Addresses that are claimed one by one: requested ones, and those that a pod gets again.

The outbox has the address before the registry is asked for it, so that nothing that is granted
there can be forgotten here: it is released unless a container has it.  The journal has the claim
only when it is granted, so that nobody who asks again is given what was not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from ipam.blocks import Single
from ipam.etcd.errors import EtcdError
from ipam.holding import joining
from ipam.holding.desk import Desk
from ipam.holding.obtaining import refusal
from ipam.holding.restoring import answering
from ipam.holding.telling import mirrored
from ipam.journal.transaction import Transaction
from ipam.registry.interface import RegistryError, Singles, TakenError

Take: TypeAlias = Callable[[Transaction, Single], None]
"""Writes a claim into the journal, for the container and attachment that want it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Which address is wanted."""

    fabric: str
    slot: int | None
    """The requested one."""
    sticky: str = ""
    """`namespace/name` of the pod that gets its former one."""
    ttl: int = 0
    """Seconds for which it is kept after its release."""
    elsewhere: bool = False
    """Rather another one than to wait for a node that is lost."""


def claim(desk: Desk, wish: Wish, container_id: str, take: Take) -> int:
    """Claim an address by itself; return its slot (CniError, code 11)."""
    try:
        with desk.deal() as connection, answering(desk, connection):
            joining.join(desk, connection)
            registry = connection.singles
            if registry is None:
                raise RegistryError("addresses are claimed one by one in etcd only")  # noqa: TRY301 - told as any other
            slot = wish.slot
            if slot is None:
                slot = registry.former_slot(wish.fabric, wish.sticky)
            if slot is None:
                slot = registry.free_slot(wish.fabric)
            single = Single(wish.fabric, slot, container_id, wish.sticky, wish.ttl)
            try:
                return _hold(desk, registry, single, take)
            except TakenError as taken:
                if not (wish.sticky and wish.elsewhere and taken.lost):
                    raise
            return _hold(
                desk, registry, replace(single, slot=registry.free_slot(wish.fabric)), take
            )
    except (RegistryError, EtcdError) as error:
        raise refusal(wish.fabric, error) from error


def _hold(desk: Desk, registry: Singles, single: Single, take: Take) -> int:
    with desk.open_journal() as journal:
        with journal.rehearsal() as tx:
            take(tx, single)
            claimed = tx.holder(single.fabric, single.slot)
            seen = mirrored(tx, single.fabric, claimed, desk.now()) if claimed else None
        if seen is None:
            raise LookupError(f"slot {single.slot} was taken, and nobody has it")
        with journal.transaction(synced=True) as tx:
            tx.outbox.put_single(single)
            tx.outbox.mark(single.fabric, single.slot)
    registry.hold(single, seen)
    with desk.keep() as tx:
        take(tx, single)
    return single.slot
