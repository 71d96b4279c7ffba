"""Which rails make a fabric: learnt from the network configurations that this node has seen.

What is in use stands, and a configuration that contradicts it is refused with both named.  What
nothing is attached to yields, so that a renumbered or abandoned fabric needs no cleaning up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cni.protocol.errors import CniError, Code
from ipam.ranges import EVERY_SLOT, Fabric, Rail, listing, make_rail, overlap, same_shape

if TYPE_CHECKING:
    from ipam.config import Layout
    from ipam.transaction import Transaction


def learn(tx: Transaction, layout: Layout) -> Fabric:
    """Record what a configuration tells about a fabric; return all that is known of it.

    Raises:
        CniError: code 7, when it contradicts what is in use.
    """
    others = tx.rails()
    before = others.pop(layout.fabric, {})
    after = merged(before, layout)
    if after == before:
        return _fabric(layout.fabric, after.values())
    told = [layout.rail, *layout.siblings]
    if tx.in_use(layout.fabric):
        _refuse_change(layout.fabric, before, told)
    else:
        after = {name: rail for name, rail in after.items() if rail in told or _fits(rail, told)}
    _refuse_misfit(layout.fabric, after.values())
    _displace(tx, layout.fabric, told, others)
    # Without a registry the node owns every slot; a registry's blocks will be further runs.
    tx.add_fabric(layout.fabric, EVERY_SLOT)
    for name in before.keys() - after.keys():
        tx.drop_rail(layout.fabric, name)
    for name, rail in after.items():
        if before.get(name) != rail:
            tx.put_rail(layout.fabric, rail)
    return _fabric(layout.fabric, after.values())


def merged(before: Mapping[str, Rail], layout: Layout) -> dict[str, Rail]:
    """Return a fabric's rails with what a configuration tells.

    It knows its own rail best; of a sibling it tells the subnets only, and what the sibling's own
    configuration excludes stays known.  A sibling's range that would leave no slot in common comes
    from before somebody moved the ranges: it no longer counts.
    """
    new = {
        rail.name: rail
        for rail in layout.siblings
        if rail.name not in before or before[rail.name].subnets != rail.subnets
    }
    rails = {**before, **new, layout.rail.name: layout.rail}
    if not Fabric(layout.fabric, tuple(rails.values())).usable:
        rails = {name: make_rail(name, rail.subnets) for name, rail in rails.items()}
        rails[layout.rail.name] = layout.rail
    return rails


def _fabric(name: str, rails: Iterable[Rail]) -> Fabric:
    return Fabric(name, tuple(sorted(rails, key=lambda rail: rail.name)))


def _fits(rail: Rail, others: Iterable[Rail]) -> bool:
    return all(same_shape(rail, other) and not overlap(rail, other) for other in others)


def _refuse_change(fabric: str, before: Mapping[str, Rail], told: Iterable[Rail]) -> None:
    for rail in told:
        known = before.get(rail.name)
        if known and known.subnets != rail.subnets:
            raise CniError(
                Code.INVALID_CONFIG,
                f"rail {rail.name} of fabric {fabric} is {listing(rail.subnets)} here and "
                f"{listing(known.subnets)} on this node, where pods use the fabric",
                "a rail can be renumbered on a node when no pod on it uses the fabric: drain it",
            )


def _refuse_misfit(fabric: str, rails: Iterable[Rail]) -> None:
    first, *rest = sorted(rails, key=lambda rail: rail.name)
    for at, rail in enumerate(rest):
        if not same_shape(first, rail):
            raise CniError(
                Code.INVALID_CONFIG,
                f"rails {first} and {rail} do not fit together in fabric {fabric}: a slot is the "
                "same host part on every rail, so each needs the same families and prefix lengths",
            )
        twin = next((other for other in [first, *rest[:at]] if overlap(rail, other)), None)
        if twin:
            raise CniError(
                Code.INVALID_CONFIG,
                f"rails {twin} and {rail} of fabric {fabric} overlap, expected separate subnets",
            )


def _displace(
    tx: Transaction, fabric: str, told: Iterable[Rail], others: Mapping[str, Mapping[str, Rail]]
) -> None:
    """Forget rails of unused fabrics that have these subnets; refuse to where one is in use."""
    clashes = [
        (rail, other, theirs)
        for rail in told
        for other, rails in others.items()
        for theirs in rails.values()
        if overlap(rail, theirs)
    ]
    for rail, other, theirs in clashes:
        if tx.in_use(other):
            raise CniError(
                Code.INVALID_CONFIG,
                f"rail {rail} of fabric {fabric} overlaps rail {theirs} of fabric {other}, "
                "which pods on this node use",
                "a subnet belongs to one fabric: name that fabric and rail, or take another subnet",
            )
        tx.drop_rail(other, theirs.name)
