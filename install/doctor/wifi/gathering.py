"""The facts of a node, looked up in its kernel and its files."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from cni.agent import config as agent_config
from cni.agent.hostgw import keys
from cni.agent.hostgw.settings import HostgwSettings
from cni.hostgw import decision, peers, terrain
from cni.hostgw.config import Terms
from cni.hostgw.landscape import Landscape, look
from cni.hostgw.peers import Peer
from cni.hostgw.terrain import Candidate
from cni.hostgw.uplink import radio_of, radios
from cni.kernel.interface import Namespace
from cni.kernel.types import Address, KernelError, Link, kernel_errors
from cni.protocol.errors import CniError
from install.doctor.unknown import Unknown
from install.doctor.wifi.facts import Facts, Reach, Refusal, Series, Uplink
from install.doctor.wifi.measuring import Target
from install.doctor.wifi.node import Node

_PATIENCE = 0.5
"""Seconds that all on one link get to answer on layer 2."""
_MOST = 16
"""Peers that are asked and measured: that should take seconds, in any cluster."""
_ELSEWHERE = ip_address("192.0.2.1"), ip_address("2001:db8::1")
"""Addresses that only the default routes lead to."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person knows better."""

    overlay: tuple[str, ...] = ()
    """Names of the overlay's devices; empty for every vxlan."""
    wireless: bool | None = None
    """Whether the uplink is; None to look."""


def gather(node: Node, wishes: Wishes) -> Facts:
    """Look at a node, ask its neighbours, and measure.

    Raises:
        KernelError: not even its links and routes can be looked at.
    """
    host, unknown = node.kernel.host, Unknown()
    stated, refused = _stated(node)
    terms = _with(stated, wishes)
    landscape = look(host, terms.overlay)
    known = _known(host, landscape, terms)
    uplinks = _uplinks(node, terms, landscape, known)
    reached, uplinks = _asked(host, known[:_MOST], uplinks, unknown)
    reached = _measured(node.measure, reached, unknown)
    facts = Facts(
        release=node.release,
        landscape=landscape,
        named=bool(terms.overlay),
        uplinks=uplinks,
        reached=reached,
        unmeasured=max(0, len(known) - _MOST),
        direct=[r for r in host.table(terms.table) if r.protocol == decision.PROTOCOL],
        refused=refused,
        vxlan=bool(landscape.tunnels) or node.has_module("vxlan"),
    )
    facts = _settings(host, facts, unknown)
    return replace(facts, unknown=tuple(unknown.words))


def _stated(node: Node) -> tuple[HostgwSettings | None, list[Refusal]]:
    """Return what the agent is told, and which of its files it does not take."""
    try:
        settings = agent_config.load(node.agent_file).hostgw
    except CniError as error:
        return None, [Refusal("settings", error.msg, error.details)]
    if settings is None or settings.mode == "off":
        return settings, []
    try:
        keys.load(Path(settings.key_file))
    except CniError as error:
        return settings, [Refusal("key", error.msg, error.details)]
    return settings, []


def _with(stated: HostgwSettings | None, wishes: Wishes) -> Terms:
    """Return what is stated, unless the person knows better."""
    terms = stated or Terms()
    uplink = terms.uplink
    if wishes.wireless is not None:
        uplink = uplink.model_copy(update={"wireless": wishes.wireless})
    overlay = wishes.overlay or terms.overlay
    return terms.model_copy(update={"uplink": uplink, "overlay": overlay})


def _known(host: Namespace, landscape: Landscape, terms: Terms) -> list[Reach]:
    """Return the peers, and what of the terrain keeps direct paths from them."""
    known = peers.stated(landscape, terms.peers) if terms.peers else peers.from_flannel(landscape)
    return [
        _terrain(host, landscape, Reach(peer, _gateway(landscape, peer)), terms) for peer in known
    ]


def _gateway(landscape: Landscape, peer: Peer) -> Address:
    """Return a peer's address on the overlay, by which main routes its pods."""
    return next(
        route.gateway
        for route in landscape.main
        if route.index == peer.overlay.index
        and route.gateway
        and peer.cidr.network_address in route.dst
    )


def _terrain(host: Namespace, landscape: Landscape, one: Reach, terms: Terms) -> Reach:
    way = host.way_to(one.peer.address)
    link = landscape.link(way.index) if way else None
    one = replace(one, uplink=link.name if link else "")
    if refusal := terrain.refusal(one.peer, landscape, terms):
        return replace(one, refusal=refusal)
    own = host.addresses(way.index) if way else ()
    judged = terrain.candidate(one.peer, way, landscape, own, terms.uplink)
    return one if isinstance(judged, Candidate) else replace(one, refusal=judged)


def _uplinks(
    node: Node, terms: Terms, landscape: Landscape, known: Sequence[Reach]
) -> list[Uplink]:
    """Return the devices to the peers; without peers, those of overlay and default route."""
    host = node.kernel.host
    names = {one.uplink for one in known if one.uplink}
    if not names:
        indices = {tunnel.lower for tunnel in landscape.tunnels}
        indices |= {way.index for there in _ELSEWHERE if (way := host.way_to(there))}
        links = (landscape.link(index) for index in sorted(indices))
        names = {link.name for link in links if link and not link.loopback}
    return [_uplink(node, terms, landscape, link) for link in landscape.links if link.name in names]


def _uplink(node: Node, terms: Terms, landscape: Landscape, link: Link) -> Uplink:
    host = node.kernel.host
    name = radio_of(link.name, node.sysfs)
    radio = host.find(name) if name else None
    gateways = [r.gateway for r in landscape.main if r.index == link.index and not r.dst.prefixlen]
    return Uplink(
        link,
        host.addresses(link.index),
        wireless=bool(radios([link.name], terms.uplink.wireless, node.sysfs)),
        radio_name=name,
        radio=host.radio(radio.index) if radio else None,
        gateway=next((gateway for gateway in gateways if gateway), None),
    )


def _asked(
    host: Namespace, known: Sequence[Reach], uplinks: Sequence[Uplink], unknown: Unknown
) -> tuple[list[Reach], list[Uplink]]:
    """Return who answers on layer 2; on each link all are asked at once, its router among them."""
    answered: dict[str, set[Address]] = {}
    for uplink in uplinks:
        near = [one.peer.address for one in known if _is_near(one, uplink)]
        wanted = [*near, *([uplink.gateway] if uplink.gateway else ())]
        sources = {there: own for there in wanted if (own := _source(uplink, there))}
        with unknown:
            found = host.solicit(uplink.link.index, sources, _PATIENCE)
            answered[uplink.link.name] = set(found)
    return (
        [
            replace(one, answers=one.peer.address in answered[one.uplink])
            if one.uplink in answered and not one.refusal
            else one
            for one in known
        ],
        [
            replace(uplink, gateway_answers=uplink.gateway in answered[uplink.link.name])
            if uplink.link.name in answered and uplink.gateway
            else uplink
            for uplink in uplinks
        ],
    )


def _is_near(one: Reach, uplink: Uplink) -> bool:
    return one.uplink == uplink.link.name and not one.refusal


def _source(uplink: Uplink, there: Address) -> Address | None:
    of_family = [a for a in uplink.addresses if a.version == there.version]
    return next((a.ip for a in of_family if there in a.network), None)


def _measured(
    measure: Callable[[Sequence[Target]], Sequence[Series]],
    reached: list[Reach],
    unknown: Unknown,
) -> list[Reach]:
    """Measure the paths to all nodes first, and then those over the overlay."""
    with unknown, kernel_errors("ping"):
        nodes = measure([Target(one.peer.address) for one in reached])
        overlays = measure([Target(one.gateway, one.peer.overlay.index) for one in reached])
        return [
            replace(one, node=node, overlay=overlay)
            for one, node, overlay in zip(reached, nodes, overlays, strict=True)
        ]
    return reached


def _settings(host: Namespace, facts: Facts, unknown: Unknown) -> Facts:
    tunnels = facts.landscape.tunnels
    names = {uplink.link.name for uplink in facts.uplinks} | {tunnel.name for tunnel in tunnels}
    with unknown:
        facts = replace(
            facts,
            offloads={tunnel.name: host.offloads_checksums(tunnel.index) for tunnel in tunnels},
            filters={name: _filter(host, name) for name in sorted(names)},
            forwarding={
                4: host.sysctl("ipv4/ip_forward"),
                6: host.sysctl("ipv6/conf/all/forwarding"),
            },
        )
    with unknown:
        facts = replace(facts, nftables=_has_nftables(host))
        return replace(facts, dropping=tuple(host.drops_forwarded()))
    return facts


def _has_nftables(host: Namespace) -> bool:
    try:
        host.marked(decision.MARKS)
    except KernelError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EPROTONOSUPPORT}:
            raise
        return False
    return True


def _filter(host: Namespace, name: str) -> str:
    """Return the value that counts: the kernel takes the greater of a device's and `all`."""
    own = host.sysctl(f"ipv4/conf/{name}/rp_filter") or "0"
    return max(own, host.sysctl("ipv4/conf/all/rp_filter") or "0")
