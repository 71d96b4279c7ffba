"""What is judged of a node's devices, switches and filters.  Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cni.hostgw import backends
from cni.hostgw.decision import span
from cni.hostgw.peers import Overlay
from cni.kernel.types import Link, Network
from install.doctor.findings import Finding, Severity
from install.doctor.wifi.facts import Facts

_OUTER = {4: 50, 6: 70}
"""Bytes that VXLAN puts around a packet, by the version of its outer header."""
_STRICT = "1"


def backend(facts: Facts) -> Iterator[Finding]:
    """Say whose overlay it is."""
    if not facts.vxlan:
        yield Finding(
            Severity.ERROR,
            "vxlan",
            f"the kernel {facts.release} has no vxlan",
            "flannel's overlay is made of it: no pod reaches another node",
            (
                "modprobe vxlan",
                "apt install linux-modules-extra-$(uname -r)  # Ubuntu keeps it there",
            ),
        )
    if refusal := backends.refusal(facts.landscape, named=facts.named):
        yield Finding(
            Severity.WARNING,
            "backend",
            refusal,
            "rail-hostgw leaves such a node alone",
        )
        return
    names = ", ".join(tunnel.name for tunnel in facts.landscape.tunnels)
    yield Finding(Severity.OK, "backend", f"the overlay is {names}")


def checksums(facts: Facts) -> Iterator[Finding]:
    """Say which overlay device leaves checksums to others."""
    for name, offloads in facts.offloads.items():
        if offloads is False:
            yield Finding(Severity.OK, "checksums", f"{name} computes its checksums itself")
        elif offloads:
            yield Finding(
                Severity.WARNING,
                "checksums",
                f"{name} leaves checksums to what is below it",
                "with some drivers and kernels they come out wrong: pings pass, and connections to "
                "Services on other nodes hang for a minute (k3s#2013, flannel#1279)",
                (f"ethtool -K {name} tx-checksum-ip-generic off  # after each boot",),
            )


def mtu(facts: Facts) -> Iterator[Finding]:
    """Say where packets do not fit."""
    uplinks = {uplink.link.name: uplink.link for uplink in facts.uplinks}
    for overlay, version, name in _carried(facts):
        needed = overlay.mtu + _OUTER[version]
        if name in uplinks and needed > uplinks[name].mtu:
            room = uplinks[name].mtu
            yield Finding(
                Severity.WARNING,
                "mtu",
                f"{overlay.name} has MTU {overlay.mtu}, and {name} {room}: expected at most "
                f"{room - _OUTER[version]} on {overlay.name}",
                "large packets are cut in pieces or lost: small requests work, and transfers hang",
                (f"ip link set dev {overlay.name} mtu {room - _OUTER[version]}",),
            )
    for bridge, most in _bridges(facts):
        if bridge.mtu > most:
            yield Finding(
                Severity.WARNING,
                "mtu",
                f"the pods' bridge {bridge.name} has MTU {bridge.mtu}, and the overlay {most}",
                "pods send packets that do not fit, and learn that late, or never",
                (
                    f"ip link set dev {bridge.name} mtu {most}",
                    "and restart the pods: their own interfaces keep what they have",
                ),
            )


def forwarding(facts: Facts) -> Iterator[Finding]:
    """Say what keeps this node from forwarding."""
    for version, key in ((4, "net.ipv4.ip_forward"), (6, "net.ipv6.conf.all.forwarding")):
        if version in facts.versions and facts.forwarding.get(version) == "0":
            yield Finding(
                Severity.ERROR,
                "forwarding",
                f"{key} is 0",
                "this node hands no packet on to its pods",
                (f"sysctl -w {key}=1", f"echo '{key} = 1' >/etc/sysctl.d/90-forwarding.conf"),
            )


def firewall(facts: Facts) -> Iterator[Finding]:
    """Say which chains drop what is forwarded."""
    if not facts.nftables:
        yield Finding(
            Severity.WARNING,
            "nftables",
            "the kernel has no nftables",
            "a direct path could not expire by itself: the agent only measures on such a node",
            ("modprobe nf_tables",),
        )
    for chain in facts.dropping:
        networks = _spans(facts, chain)
        yield Finding(
            Severity.WARNING,
            "firewall",
            f"chain {chain} drops what is forwarded unless a rule accepts it",
            "pods' packets are forwarded; those of a direct path come from another device than "
            "flannel's, which its own rules may not accept",
            tuple(command for network in networks for command in _accept(chain, network)),
        )


def filters(facts: Facts) -> Iterator[Finding]:
    """Say where reverse paths are filtered strictly."""
    for name, value in facts.filters.items():
        if value == _STRICT:
            yield Finding(
                Severity.ERROR if facts.direct else Severity.WARNING,
                "rp-filter",
                f"rp_filter is strict (1) on {name}",
                "between two nodes one may go straight and the other over the overlay: this node "
                "then drops what comes the other way",
                (f"sysctl -w net.ipv4.conf.{name}.rp_filter=2",),
            )


def files(facts: Facts) -> Iterator[Finding]:
    """Say which file the agent does not take."""
    for refusal in facts.refused:
        yield Finding(
            Severity.ERROR,
            refusal.check,
            refusal.what,
            "agents prove paths to each other by it: without it every path is the overlay's",
            tuple(filter(None, (refusal.cure,))),
        )


def _carried(facts: Facts) -> list[tuple[Overlay, int, str]]:
    """Return each overlay with its outer version and its uplink, once."""
    found = {
        (one.peer.overlay.name, one.peer.address.version, one.uplink): one.peer.overlay
        for one in facts.reached
    }
    return [(overlay, version, uplink) for (_, version, uplink), overlay in found.items()]


def _bridges(facts: Facts) -> list[tuple[Link, int]]:
    """Return the bridges of this node's own pods, with the greatest MTU of an overlay.

    flannel gives pods of both families what its IPv4 device has, which IPv6's has less.
    """
    overlays = {one.peer.overlay.index: one.peer.overlay for one in facts.reached}
    own = {address.ip for overlay in overlays.values() for address in overlay.addresses}
    most = max((overlay.mtu for overlay in overlays.values()), default=0)
    bridges = {link.index: link for link in facts.landscape.links if link.kind == "bridge"}
    found = {
        route.index for route in facts.landscape.main if any(ip in route.dst for ip in own)
    }  # fmt: skip
    return [(link, most) for index, link in bridges.items() if index in found]


def _spans(facts: Facts, chain: str) -> list[Network]:
    """Return the least networks that hold all pods which a chain is asked about."""
    overlays = {one.peer.overlay.index: one.peer.overlay for one in facts.reached}
    found = []
    for version in (4, 6):
        pods = [network for network in facts.pod_networks if network.version == version]
        own = [
            address.network
            for overlay in overlays.values()
            for address in overlay.addresses
            if address.version == version and not address.is_link_local
        ]
        spanned = span([*pods, *own]) if pods else None
        if spanned and _is_asked(chain, version):
            found.append(spanned)
    return found


def _is_asked(chain: str, version: int) -> bool:
    family = chain.split(maxsplit=1)[0]
    return family == "inet" or version == (6 if family in {"ip6", "ip6tables-legacy"} else 4)


def _accept(chain: str, network: Network) -> tuple[str, str]:
    """Return the commands that let a network's packets through a chain."""
    family, _, name = chain.split()
    if family == "inet" or name != "FORWARD":
        version = "ip" if network.version == 4 else "ip6"  # noqa: PLR2004 - the version itself
        insert = f"nft insert rule {chain} {version}"
        return f"{insert} saddr {network} accept", f"{insert} daddr {network} accept"
    program = {"ip": "iptables", "ip6": "ip6tables"}.get(family, family)
    insert = f"{program} -I FORWARD"
    return f"{insert} -s {network} -j ACCEPT", f"{insert} -d {network} -j ACCEPT"
