"""A look around: who might be reached directly, if they answer, and why others are not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from cni.hostgw import backends, peers, terrain
from cni.hostgw.config import Terms
from cni.hostgw.landscape import Landscape, look
from cni.hostgw.peers import Peer
from cni.hostgw.terrain import Candidate
from cni.kernel.interface import Namespace
from cni.kernel.types import Interface, Network


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a look has found."""

    candidates: tuple[Candidate, ...] = ()
    known: tuple[Network, ...] = ()
    """The pod networks of all peers that are not refused."""
    refused: dict[Network, str] = field(default_factory=dict)
    """Peers that no direct route may ever lead to, and why."""
    distant: dict[Network, str] = field(default_factory=dict)
    """Peers that are not next door, and why."""
    refusal: str = ""
    """Why this node's pod network cannot be served at all."""


def look_around(host: Namespace, terms: Terms) -> Prospect:
    """Return who might be reached directly, if they answer.

    Args:
        host: the host's namespace.
        terms: what the operator has stated.
    """
    landscape = look(host, terms.overlay)
    if refusal := backends.refusal(landscape, named=bool(terms.overlay)):
        return Prospect(refusal=refusal)
    found = (
        peers.stated(landscape, terms.peers) if terms.peers else peers.from_flannel(landscape)
    )  # fmt: skip
    by_network = {peer.cidr: peer for peer in found}
    refused = {
        cidr: reason
        for cidr, peer in by_network.items()
        if (reason := terrain.refusal(peer, landscape, terms))
    }
    allowed = [peer for cidr, peer in by_network.items() if cidr not in refused]
    candidates, distant = _judge(host, allowed, landscape, terms)
    return Prospect(tuple(candidates), tuple(peer.cidr for peer in allowed), refused, distant)


def _judge(
    host: Namespace, allowed: Collection[Peer], landscape: Landscape, terms: Terms
) -> tuple[list[Candidate], dict[Network, str]]:
    candidates, distant = [], {}
    held: dict[int, Sequence[Interface]] = {}
    for peer in allowed:
        way = host.way_to(peer.address)
        if way and way.index not in held:
            held[way.index] = host.addresses(way.index)
        own = held[way.index] if way else ()
        judged = terrain.candidate(peer, way, landscape, own, terms.uplink)
        if isinstance(judged, Candidate):
            candidates.append(judged)
        else:
            distant[peer.cidr] = judged
    return candidates, distant
