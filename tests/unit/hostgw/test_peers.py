"""Who the peers are, by flannel's own state, and which of them may be reached directly at all."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from cni.hostgw import backends, peers, terrain
from cni.hostgw.config import StaticPeer, Terms, Uplink
from cni.hostgw.landscape import Landscape
from cni.hostgw.peers import Peer
from cni.hostgw.terrain import Candidate
from cni.kernel.types import Forwarding, Link, Neighbour, Route


def link(index: int, name: str, kind: str = "", *, loopback: bool = False) -> Link:
    mac = "02:00:00:00:00:01"
    return Link(index, name, mac, 1450, up=True, carrier=True, kind=kind, loopback=loopback)


LO, WLAN, TUNNEL, CNI = (
    link(1, "lo", loopback=True), link(2, "wlan0"), link(3, "flannel.1", "vxlan"),
    link(4, "cni0", "bridge"),
)  # fmt: skip
VIA, MAC, NODE = ip_address("10.42.1.0"), "02:00:00:00:01:01", ip_address("192.168.1.11")
CIDR = ip_network("10.42.1.0/24")
LAN = Route(ip_network("192.168.1.0/24"), 2, scope=253)
OWN = [ip_interface("192.168.1.10/24")]
HOME = Landscape(
    links=[LO, WLAN, TUNNEL, CNI],
    main=[
        Route(ip_network("0.0.0.0/0"), 2, ip_address("192.168.1.1")),
        LAN,
        Route(ip_network("10.42.0.0/24"), 4, scope=253),
        Route(CIDR, 3, VIA),
    ],
    tunnels=[TUNNEL],
    addresses={3: [ip_interface("fe80::1/64"), ip_interface("10.42.0.0/32")]},
    neighbours={3: [Neighbour(VIA, MAC, permanent=True)]},
    forwarding={3: [Forwarding(MAC, NODE)]},
)


def peer_of(cidr: str = str(CIDR), address: str = str(NODE)) -> Peer:
    (known,) = peers.from_flannel(HOME)
    return replace(known, cidr=ip_network(cidr), address=ip_address(address))


def test_a_whole_chain_is_a_peer() -> None:
    (peer,) = peers.from_flannel(HOME)
    assert (peer.cidr, peer.address, peer.overlay.name, peer.overlay.mtu) == (
        CIDR, NODE, "flannel.1", 1450,
    )  # fmt: skip
    assert peer.overlay.source(4) == ip_address("10.42.0.0")
    assert peer.overlay.source(6) is None


@pytest.mark.parametrize(
    "broken",
    [
        replace(HOME, neighbours={3: []}),
        replace(HOME, neighbours={3: [Neighbour(VIA, MAC, permanent=False)]}),
        replace(HOME, forwarding={3: [Forwarding("02:00:00:00:09:09", NODE)]}),
        replace(HOME, main=[Route(CIDR, 3)]),
        replace(HOME, main=[Route(CIDR, 2, VIA)]),
    ],
)
def test_a_broken_chain_is_none(broken: Landscape) -> None:
    assert list(peers.from_flannel(broken)) == []


def test_a_list_counts_for_what_main_routes_over_the_overlay() -> None:
    def stated(cidr: str) -> StaticPeer:
        return StaticPeer.model_validate({"cidr": cidr, "address": "192.168.1.99"})

    found = peers.stated(
        HOME, [stated("10.42.1.0/25"), stated("10.42.9.0/24"), stated("192.168.1.128/25")]
    )
    assert [(str(peer.cidr), str(peer.address)) for peer in found] == [
        ("10.42.1.0/25", "192.168.1.99")
    ]


@pytest.mark.parametrize(
    ("cidr", "address", "words"),
    [
        (str(CIDR), str(NODE), ""),
        ("8.0.0.0/7", str(NODE), "wider"),
        ("192.168.1.128/25", "192.168.1.11", "main has 192.168.1.0/24 dev wlan0"),
        ("10.42.0.0/25", str(NODE), "main has 10.42.0.0/24 dev cni0"),
        ("10.42.0.0/16", str(NODE), "main has 10.42.0.0/24 dev cni0"),
        ("10.42.1.0/24", "10.42.1.7", "inside"),
        ("fd42::/64", str(NODE), "other family"),
        ("fd42::/64", "fd00:1::11", "no address of that family"),
        ("224.0.0.0/24", str(NODE), "no pods"),
        ("127.8.0.0/16", str(NODE), "no pods"),
    ],
)
def test_where_no_direct_route_may_lead(cidr: str, address: str, words: str) -> None:
    refusal = terrain.refusal(peer_of(cidr, address), HOME, Terms())
    assert words in refusal
    assert bool(refusal) == bool(words)


def test_a_narrower_route_of_another_keeps_its_packets() -> None:
    narrow = Route(ip_network("10.42.1.128/25"), 2, ip_address("192.168.1.1"))
    assert "10.42.1.128/25" in terrain.refusal(
        peer_of(), replace(HOME, main=[*HOME.main, narrow]), Terms()
    )
    blackhole = replace(narrow, index=0, gateway=None, kind=6)
    assert "dev none" in terrain.refusal(
        peer_of(), replace(HOME, main=[*HOME.main, blackhole]), Terms()
    )


def test_stated_networks_are_the_limit_of_their_family() -> None:
    assert terrain.refusal(peer_of(), HOME, stated("10.42.0.0/16")) == ""
    assert terrain.refusal(peer_of(), HOME, stated("fd42::/56")) == ""
    outside = stated("10.43.0.0/16", "fd42::/56")
    assert terrain.refusal(peer_of(), HOME, outside) == "outside podNetworks"


def test_no_pods_are_where_services_are() -> None:
    services = Terms.model_validate({"serviceNetworks": ["10.43.0.0/16", "fd43::/112"]})
    assert terrain.refusal(peer_of(), HOME, services) == ""
    over_it = peer_of("10.43.7.0/24")
    assert terrain.refusal(over_it, HOME, services) == "overlaps serviceNetworks"


def stated(*networks: str) -> Terms:
    return Terms.model_validate({"podNetworks": list(networks)})


DIRECT = Route(ip_network("192.168.1.11/32"), 2, source=OWN[0].ip)


def test_a_node_that_is_next_door() -> None:
    assert terrain.candidate(peer_of(), DIRECT, HOME, OWN, Uplink()) == Candidate(
        peer_of(), WLAN, OWN[0].ip
    )


@pytest.mark.parametrize(
    ("way", "uplink", "words"),
    [
        (None, Uplink(), "no route"),
        (replace(DIRECT, gateway=ip_address("192.168.1.1")), Uplink(), "behind the router"),
        (replace(DIRECT, index=1), Uplink(), "no other node"),
        (replace(DIRECT, index=3), Uplink(), "no other node"),
        (DIRECT, Uplink(name="eth0"), "uplink.name is eth0"),
    ],
)
def test_nodes_that_are_not(way: Route | None, uplink: Uplink, words: str) -> None:
    judged = terrain.candidate(peer_of(), way, HOME, OWN, uplink)
    assert isinstance(judged, str)
    assert words in judged


def test_an_uplink_without_a_subnet_there() -> None:
    judged = terrain.candidate(peer_of(), DIRECT, HOME, [ip_interface("10.0.0.2/24")], Uplink())
    assert "in no subnet of wlan0" in str(judged)


def test_an_address_of_its_own_alone_has_neighbours_by_a_route() -> None:
    alone = ip_interface(f"{OWN[0].ip}/32")
    judged = terrain.candidate(peer_of(), DIRECT, HOME, [alone], Uplink())
    assert judged == Candidate(peer_of(), WLAN, alone.ip)
    tunnel = replace(HOME, links=[replace(WLAN, mac=""), TUNNEL])
    judged = terrain.candidate(peer_of(), DIRECT, tunnel, [alone], Uplink())
    assert "in no subnet of wlan0" in str(judged)


@pytest.mark.parametrize(
    ("links", "named", "words"),
    [
        ([WLAN, TUNNEL], False, ""),
        ([WLAN, link(5, "mine", "vxlan")], True, ""),
        ([WLAN], False, "no vxlan device"),
        ([WLAN, link(5, "cilium_host", "veth")], False, "native routing"),
        ([WLAN, TUNNEL, link(5, "cilium_host", "veth")], False, "native routing"),
        ([WLAN, link(5, "vxlan.calico", "vxlan")], False, "CrossSubnet"),
        ([WLAN, link(5, "flannel-wg", "wireguard")], False, "encrypts"),
        ([WLAN, link(5, "wg0", "wireguard")], True, "wg0 is wireguard"),
    ],
)
def test_other_backends(links: list[Link], named: bool, words: str) -> None:  # noqa: FBT001
    tunnels = [one for one in links if one != WLAN and (named or one.kind == "vxlan")]
    refusal = backends.refusal(Landscape(links, [], tunnels), named=named)
    assert words in refusal
    assert bool(refusal) == bool(words)
