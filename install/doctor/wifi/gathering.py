"""The facts of a node, looked up in its kernel and its files."""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address

from cni.host.toml.reading import content_of, decode
from cni.hostgw import config as hostgw_config
from cni.hostgw import decision, peers, terrain
from cni.hostgw.landscape import Landscape, look
from cni.hostgw.terrain import Candidate
from cni.hostgw.uplink import radio_of
from cni.kernel.interface import Namespace
from cni.kernel.types import Address, KernelError, Link, kernel_errors
from cni.protocol.errors import CniError
from install.doctor.wifi.facts import Facts, Key, Reach, Series, Uplink
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


class _Unknown:
    """What could not be looked at."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def __enter__(self) -> None:
        """Go on without what is refused."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, CniError | OSError):
            return False
        self.words.append(str(error))
        return True


def gather(node: Node, wishes: Wishes) -> Facts:
    """Look at a node, ask its neighbours, and measure.

    Raises:
        KernelError: not even its links and routes can be looked at.
    """
    host, unknown = node.kernel.host, _Unknown()
    landscape = look(host, wishes.overlay)
    known = _known(host, landscape)
    uplinks = _uplinks(node, wishes, landscape, known)
    reached, uplinks = _asked(host, known[:_MOST], uplinks, unknown)
    reached = _measured(node.measure, reached, unknown)
    facts = Facts(
        release=node.release,
        landscape=landscape,
        named=bool(wishes.overlay),
        uplinks=uplinks,
        reached=reached,
        unmeasured=max(0, len(known) - _MOST),
        direct=[r for r in host.table(_table()) if r.protocol == decision.PROTOCOL],
        key_file=str(node.key_file),
        vxlan=bool(landscape.tunnels) or node.has_module("vxlan"),
    )
    facts = _settings(host, facts, unknown)
    with unknown:
        facts = replace(facts, key=_key(node))
    return replace(facts, unknown=tuple(unknown.words))


def _table() -> int:
    return int(hostgw_config.HostgwConfig.model_fields["table"].default)


def _known(host: Namespace, landscape: Landscape) -> list[Reach]:
    """Return the peers, and what of the terrain keeps direct paths from them."""
    found = []
    for peer in peers.from_flannel(landscape):
        gateways = (
            route.gateway
            for route in landscape.main
            if (route.dst, route.index) == (peer.cidr, peer.overlay.index) and route.gateway
        )
        found.append(_terrain(host, landscape, Reach(peer, next(gateways))))
    return found


def _terrain(host: Namespace, landscape: Landscape, one: Reach) -> Reach:
    way = host.way_to(one.peer.address)
    link = landscape.link(way.index) if way else None
    one = replace(one, uplink=link.name if link else "")
    if refusal := terrain.refusal(one.peer, landscape, ()):
        return replace(one, refusal=refusal)
    own = host.addresses(way.index) if way else ()
    judged = terrain.candidate(one.peer, way, landscape, own, hostgw_config.Uplink())
    return one if isinstance(judged, Candidate) else replace(one, refusal=judged)


def _uplinks(
    node: Node, wishes: Wishes, landscape: Landscape, known: Sequence[Reach]
) -> list[Uplink]:
    """Return the devices to the peers; without peers, those of overlay and default route."""
    host = node.kernel.host
    names = {one.uplink for one in known if one.uplink}
    if not names:
        indices = {tunnel.lower for tunnel in landscape.tunnels}
        indices |= {way.index for there in _ELSEWHERE if (way := host.way_to(there))}
        links = (landscape.link(index) for index in sorted(indices))
        names = {link.name for link in links if link and not link.loopback}
    return [
        _uplink(node, wishes, landscape, link) for link in landscape.links if link.name in names
    ]


def _uplink(node: Node, wishes: Wishes, landscape: Landscape, link: Link) -> Uplink:
    host = node.kernel.host
    name = radio_of(link.name, node.sysfs)
    radio = host.find(name) if name else None
    gateways = [r.gateway for r in landscape.main if r.index == link.index and not r.dst.prefixlen]
    return Uplink(
        link,
        host.addresses(link.index),
        wireless=bool(name) if wishes.wireless is None else wishes.wireless,
        radio_name=name,
        radio=host.radio(radio.index) if radio else None,
        gateway=next((gateway for gateway in gateways if gateway), None),
    )


def _asked(
    host: Namespace, known: Sequence[Reach], uplinks: Sequence[Uplink], unknown: _Unknown
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
    unknown: _Unknown,
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


def _settings(host: Namespace, facts: Facts, unknown: _Unknown) -> Facts:
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


def _key(node: Node) -> Key:
    content = content_of(node.agent_file)
    if content is None or "hostgw" not in decode(content).data:
        return Key.UNUSED
    try:
        status = node.key_file.stat()
    except FileNotFoundError:
        return Key.MISSING
    is_open = status.st_uid != 0 or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return Key.OPEN if is_open else Key.THERE
