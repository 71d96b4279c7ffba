"""Which rails make a fabric: learnt from the network configurations that this node has seen.

What is in use stands, and a configuration that contradicts it is refused with both named.  What
nothing is attached to yields, once all that was freed in it has rested: a renumbered or abandoned
fabric needs no cleaning up.

What is learnt of other rails limits slots only.  Routes follow what the configuration itself
declares, so that nobody leads another's pods anywhere (`reach`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from cni.protocol.errors import CniError, Code
from ipam.ranges import Fabric, Network, Rail, listing, make_rail, overlap, same_shape

if TYPE_CHECKING:
    from ipam.config import Layout
    from ipam.journal.transaction import Transaction


def learn(tx: Transaction, layout: Layout, ready_at: int) -> Fabric:
    """Record what a configuration tells about a fabric; return the fabric as its request sees it.

    Args:
        tx: the journal.
        layout: what the configuration tells.
        ready_at: what was freed at this time (ns) or before has rested.

    Raises:
        CniError: code 7, when it contradicts what is in use; 11, when something still rests that
            it would make forgotten.
    """
    others = tx.rails()
    before = others.pop(layout.fabric, {})
    after = merged(before, layout)
    if after == before:
        return _seen(layout, after)
    told = {rail.name for rail in layout.told}
    if tx.in_use(layout.fabric):
        _refuse_change(layout.fabric, before, layout.told)
    else:
        after = {
            name: rail for name, rail in after.items() if name in told or _fits(rail, layout.told)
        }
    _refuse_misfit(layout.fabric, after.values())
    for name, rail in before.items():
        if name not in after or not _keeps_slots(rail, after[name]):
            _refuse_resting(tx, layout.fabric, rail, ready_at)
    _displace(tx, layout, others, ready_at)
    tx.add_fabric(layout.fabric)
    for name in before.keys() - after.keys():
        tx.drop_rail(layout.fabric, name)
    for name, rail in after.items():
        if before.get(name) != rail:
            tx.put_rail(layout.fabric, rail)
    return _seen(layout, after)


def reach(tx: Transaction, layout: Layout) -> tuple[Network, ...]:
    """Return the subnets that an attachment's routes may lead to, its own among them.

    Where the configuration declares the rails, exactly theirs; otherwise those of rails in use.
    """
    if layout.closed:
        rails = {rail.name: rail for rail in layout.told}
        used = set(rails)
    else:
        rails = tx.rails()[layout.fabric]
        used = tx.rails_in_use(layout.fabric)
    return tuple(net for name in sorted(used) for net in rails[name].subnets)


def merged(before: Mapping[str, Rail], layout: Layout) -> dict[str, Rail]:
    """Return a fabric's rails with what a configuration tells.

    It knows its own rail best; of a sibling it tells the subnets only, and what the sibling's own
    configuration excludes stays known.  A sibling's exclusions that would leave no slot in common
    come from before somebody moved them: they no longer count.
    """
    new = {
        rail.name: rail
        for rail in layout.siblings
        if rail.name not in before or before[rail.name].subnets != rail.subnets
    }
    own = {layout.rail.name: layout.rail}
    rails = {**before, **new, **own}
    seen = _members(layout, rails)
    if not Fabric(layout.fabric, seen).usable:
        return {**rails, **{rail.name: make_rail(rail.name, rail.subnets) for rail in seen}, **own}
    return rails


def _seen(layout: Layout, rails: Mapping[str, Rail]) -> Fabric:
    return Fabric(layout.fabric, _members(layout, rails), layout.limits)


def _members(layout: Layout, rails: Mapping[str, Rail]) -> tuple[Rail, ...]:
    """Return the fabric's rails for a configuration: those it declares, or else all known ones."""
    names = {rail.name for rail in layout.told} if layout.closed else rails.keys()
    return tuple(rails[name] for name in sorted(names))


def _fits(rail: Rail, others: Iterable[Rail]) -> bool:
    return all(same_shape(rail, other) and not overlap(rail, other) for other in others)


def _refuse_change(fabric: str, before: Mapping[str, Rail], told: Iterable[Rail]) -> None:
    for rail in told:
        known = before.get(rail.name)
        if known and not _keeps_slots(known, rail):
            raise CniError(
                Code.INVALID_CONFIG,
                f"rail {rail.name} of fabric {fabric} is {listing(rail.subnets)} here and "
                f"{listing(known.subnets)} on this node, where pods use the fabric",
                "a rail can be renumbered on a node when no pod on it uses the fabric: drain it; "
                "while pods use it, it can be widened: the same network address, a shorter prefix",
            )


def _keeps_slots(before: Rail, after: Rail) -> bool:
    """Tell whether each slot that a rail had is the same address now: it is as it was, or wider."""
    families = [[net.version for net in rail.subnets] for rail in (before, after)]
    return families[0] == families[1] and all(
        new.network_address == old.network_address and new.prefixlen <= old.prefixlen
        for old, new in zip(before.subnets, after.subnets, strict=True)
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


def _refuse_resting(tx: Transaction, fabric: str, rail: Rail, ready_at: int) -> None:
    """Refuse to forget a rail while addresses that it has may rest."""
    if tx.pool.rests(fabric, ready_at):
        raise CniError(
            Code.TRY_AGAIN,
            f"rail {rail} of fabric {fabric} had pods a moment ago: its addresses still rest, and "
            "this configuration gives them another place",
            "it will be taken when ipam.quarantine is over",
        )


def _displace(
    tx: Transaction, layout: Layout, others: Mapping[str, Mapping[str, Rail]], ready_at: int
) -> None:
    """Forget rails of unused fabrics that have these subnets; refuse to where one is in use."""
    clashes = [
        (rail, other, theirs)
        for rail in layout.told
        for other, rails in others.items()
        for theirs in rails.values()
        if overlap(rail, theirs)
    ]
    for rail, other, theirs in clashes:
        shared = tx.blocks.shared(other)
        if shared or tx.in_use(other):
            raise CniError(
                Code.INVALID_CONFIG,
                f"rail {rail} of fabric {layout.fabric} overlaps rail {theirs} of fabric {other}, "
                + ("which the cluster shares" if shared else "which pods on this node use"),
                "a subnet belongs to one fabric: name that fabric and rail, or take another subnet",
            )
        _refuse_resting(tx, other, theirs, ready_at)
        tx.drop_rail(other, theirs.name)
