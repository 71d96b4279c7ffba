"""Which addresses of a peer are tried from which rail.  Pure.

A pod has the same slot on every rail of a fabric: who knows one address knows the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cni.kernel.types import Address, Interface, Network
from install.doctor.path.facts import Probe, Rail


def probes(rails: Sequence[Rail], peer: Sequence[Address]) -> list[Probe]:
    """Return the ways to try, one for each rail and family that leads to the peer.

    Args:
        rails: the pod's.
        peer: some of its addresses; of the rails that none of them is on, they are reckoned.
    """
    found = []
    for rail in rails:
        for own in rail.addresses:
            target = _stated(own, peer) or _aligned(rail, own, rails, peer)
            if target is not None and target != own.ip:
                found.append(Probe(rail, own.ip, target))
    return found


def strangers(rails: Sequence[Rail], peer: Sequence[Address]) -> list[Address]:
    """Return the peer's addresses that are on none of the rails."""
    networks = [own.network for rail in rails for own in rail.addresses]
    return [address for address in peer if not any(address in network for network in networks)]


def _stated(own: Interface, peer: Sequence[Address]) -> Address | None:
    return next((address for address in peer if address in own.network), None)


def _aligned(
    rail: Rail, own: Interface, rails: Sequence[Rail], peer: Sequence[Address]
) -> Address | None:
    """Return the peer's address on a rail, by its slot on another one of the same fabric."""
    for other, theirs in _known(rails, peer):
        if other is not rail and _are_together(other, theirs, rail, own):
            slot = _slot(theirs.network, _stated(theirs, peer))
            if slot is not None and slot < own.network.num_addresses:
                return own.network.network_address + slot
    return None


def _known(rails: Sequence[Rail], peer: Sequence[Address]) -> Iterator[tuple[Rail, Interface]]:
    for rail in rails:
        for own in rail.addresses:
            if _stated(own, peer):
                yield rail, own


def _are_together(one: Rail, first: Interface, other: Rail, second: Interface) -> bool:
    """Tell whether two rails share slots: by their fabric, else by what this pod has itself."""
    if one.fabric or other.fabric:
        return one.fabric == other.fabric
    return _slot(first.network, first.ip) == _slot(second.network, second.ip)


def _slot(network: Network, address: Address | None) -> int | None:
    return None if address is None else int(address) - int(network.network_address)
