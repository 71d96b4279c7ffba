"""What the host uses a device for: a rail takes only what nothing uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cni.kernel.interface import Namespace
from cni.kernel.types import Interface, Link, Route
from cni.rail.routes import foreign_routes

_PLUMBING = frozenset({"bridge", "bond", "team", "vrf", "tun", "vxlan", "wireguard"})
"""Kinds that carry somebody else's traffic by what they are."""
_ON_TOP = frozenset({"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"})
"""Kinds whose IFLA_LINK is the device they sit on (a veth's is its peer)."""


def refusal(link: Link, others: Sequence[Link], *, is_pf: bool) -> str:
    """Return why a device of the host must not be taken into a pod, empty when it may."""
    return next(_refusals(link, others, is_pf=is_pf), "")


def _refusals(link: Link, others: Sequence[Link], *, is_pf: bool) -> Iterator[str]:
    if link.loopback:
        yield "it is the loopback interface"
    if is_pf:
        yield "it is a physical function"
    if link.kind in _PLUMBING:
        yield f"it is a {link.kind}"
    if link.kind == "veth" and link.lower_netnsid is not None:
        yield "its other end is in another network namespace: it is some pod's uplink"
    for other in others:
        if other.index == link.master:
            yield f"it is a port of {other.name}"
        if other.kind in _ON_TOP and other.lower == link.index and other.lower_netnsid is None:
            yield f"{other.name} sits on it"


def uses(addresses: Sequence[Interface], routes: Sequence[Route]) -> str:
    """Return what the host uses a device for, empty for nothing."""
    for address in addresses:
        if not address.is_link_local:
            return f"it carries the address {address}"
    for route in foreign_routes(routes, (), addresses):
        return f"the host routes {route.dst} through it"
    return ""


def peers_uses(link: Link, host: Namespace) -> str:
    """Return what the host uses the other end of a veth for: it would lose its connection."""
    peer = host.link(link.lower) if link.kind == "veth" else None
    reason = uses(host.addresses(peer.index), host.routes(peer.index)) if peer else ""
    return f"it leads to {peer.name}, and {reason}" if peer and reason else ""
