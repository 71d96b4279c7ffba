"""Which peers a direct path may lead to at all, before anybody proves one.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cni.hostgw.config import WIDEST, Terms, Uplink
from cni.hostgw.landscape import Landscape
from cni.hostgw.peers import Peer
from cni.kernel.messages import RTN_UNICAST
from cni.kernel.types import Address, Interface, Link, Network, Route


@dataclass(frozen=True, slots=True)
class Candidate:
    """A peer that may be next door, and how one would ask it."""

    peer: Peer
    uplink: Link
    source: Address
    """This node's address, as the peer knows it."""


def refusal(peer: Peer, landscape: Landscape, terms: Terms) -> str:
    """Return why no direct route may lead to a peer's pods, empty when one may.

    Args:
        peer: the peer.
        landscape: what there is.
        terms: which networks are the cluster's, where the operator has stated them.
    """
    return next(_refusals(peer, landscape, terms), "")


def _refusals(peer: Peer, landscape: Landscape, terms: Terms) -> Iterator[str]:
    cidr = peer.cidr
    if cidr.prefixlen < WIDEST:
        yield f"wider than /{WIDEST}"
    if cidr.is_loopback or cidr.is_multicast or cidr.is_link_local:
        yield "no pods can be there"
    if peer.address.version != cidr.version:
        yield f"its node {peer.address} is of the other family"
    if peer.address in cidr:
        yield f"its node {peer.address} is inside"
    if peer.overlay.source(cidr.version) is None:
        yield f"{peer.overlay.name} has no address of that family"
    stated = [network for network in terms.pod_networks if network.version == cidr.version]
    if any(_overlap(network, cidr) for network in terms.service_networks):
        yield "overlaps serviceNetworks"
    if stated and not any(_is_within(cidr, network) for network in stated):
        yield "outside podNetworks"
    tunnels = {tunnel.index for tunnel in landscape.tunnels}
    for route in landscape.main:
        if route.index not in tunnels and _is_in_the_way(route, cidr):
            link = landscape.link(route.index)
            yield f"main has {route.dst} dev {link.name if link else 'none'}, which overlaps"


def _is_in_the_way(route: Route, cidr: Network) -> bool:
    """Return whether main sends a part of a network elsewhere, or all of it to a neighbour.

    A wider route by a gateway, the default one among them, is what any network lies in.
    """
    if not _overlap(route.dst, cidr):
        return False
    if route.dst.prefixlen >= cidr.prefixlen:
        return True
    return route.kind == RTN_UNICAST and not route.gateway and route.dst.prefixlen > 0


def candidate(
    peer: Peer, way: Route | None, landscape: Landscape, own: Sequence[Interface], uplink: Uplink
) -> Candidate | str:
    """Return the candidate that a peer is, or in words why it is none.

    Args:
        peer: a peer that is not refused.
        way: how a packet to its node would leave.
        landscape: what there is.
        own: the addresses of the link that it would leave by.
        uplink: what the configuration says of the uplink.
    """
    if way is None:
        return f"no route to its node {peer.address}"
    link = landscape.link(way.index)
    if link is None or link.loopback or link.index in {t.index for t in landscape.tunnels}:
        return f"its node {peer.address} is no other node's address"
    if way.gateway:
        return f"its node {peer.address} is behind the router {way.gateway}"
    if uplink.name not in {None, link.name}:
        return (
            f"its node {peer.address} is reached by {link.name}, and uplink.name is {uplink.name}"
        )
    of_family = [i for i in own if i.version == peer.address.version]
    near = [i for i in of_family if peer.address in i.network]
    if not near and link.mac:
        # An address of its own alone (DHCPv6's /128) has its neighbours by a route.
        near = [i for i in of_family if i.ip in {peer.overlay.local, way.source}]
    if not near:
        return f"its node {peer.address} is in no subnet of {link.name}"
    return Candidate(peer, link, _source(near, (peer.overlay.local, way.source)))


def _source(own: Sequence[Interface], preferred: Iterable[Address | None]) -> Address:
    """Return the first preferred address that is one of ours, else our first."""
    held = [each.ip for each in own]
    return next((address for address in preferred if address in held), None) or held[0]


def _is_within(network: Network, other: Network) -> bool:
    return _overlap(network, other) and network.prefixlen >= other.prefixlen


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)
