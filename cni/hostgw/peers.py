"""The peers: read from what flannel's vxlan backend has written into the kernel, or stated.

flannel writes of each peer a route `CIDR via X dev flannel.1 onlink`, a permanent neighbour X and
a forwarding entry of its MAC, whose destination is the peer's node.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from cni.hostgw.config import StaticPeer
from cni.hostgw.landscape import Landscape
from cni.kernel.messages import RTN_UNICAST
from cni.kernel.types import Address, Interface, Link, Network, Route


@dataclass(frozen=True, slots=True)
class Overlay:
    """The device that carries pod traffic when nothing better is known."""

    index: int
    name: str
    mtu: int
    addresses: Sequence[Interface]
    local: Address | None = None
    """This node's address that peers know it by: where their overlay sends to."""

    def source(self, version: int) -> Address | None:
        """Return the address that the host's own packets to pods have."""
        return next(
            (a.ip for a in self.addresses if a.version == version and not a.is_link_local), None
        )


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node: its pods, and where it is."""

    cidr: Network
    address: Address
    overlay: Overlay
    """What main routes its pods over."""


def from_flannel(landscape: Landscape) -> Iterator[Peer]:
    """Yield the peers whose chain of route, neighbour and forwarding entry is whole."""
    for tunnel in landscape.tunnels:
        overlay = _overlay(landscape, tunnel)
        macs = {n.address: n.mac for n in landscape.neighbours[tunnel.index] if n.permanent}
        nodes = {entry.mac: entry.destination for entry in landscape.forwarding[tunnel.index]}
        for route in _routes_over(landscape, tunnel):
            mac = macs.get(route.gateway) if route.gateway else None
            if mac in nodes:
                yield Peer(route.dst, nodes[mac], overlay)


def stated(landscape: Landscape, peers: Sequence[StaticPeer]) -> Iterator[Peer]:
    """Yield those peers of a list whose pods main routes over the overlay."""
    for tunnel in landscape.tunnels:
        overlay = replace(_overlay(landscape, tunnel), local=None)  # peers' lists say which it is
        covered = [route.dst for route in _routes_over(landscape, tunnel)]
        for peer in peers:
            if any(_is_within(peer.cidr, network) for network in covered):
                yield Peer(peer.cidr, peer.address, overlay)


def _overlay(landscape: Landscape, tunnel: Link) -> Overlay:
    addresses = tuple(landscape.addresses[tunnel.index])
    return Overlay(tunnel.index, tunnel.name, tunnel.mtu, addresses, tunnel.local)


def _routes_over(landscape: Landscape, tunnel: Link) -> Iterator[Route]:
    for route in landscape.main:
        if route.index == tunnel.index and route.gateway and route.kind == RTN_UNICAST:
            yield route


def _is_within(network: Network, other: Network) -> bool:
    return network.version == other.version and network.subnet_of(other)  # type: ignore[arg-type]  # of one family by now
