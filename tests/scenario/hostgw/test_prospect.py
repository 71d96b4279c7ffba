"""A look around on a node in memory: who might be reached directly, and why others are not."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from cni.hostgw.config import Terms
from cni.hostgw.prospect import Prospect, look_around
from cni.kernel.types import Route
from tests.scenario.hostgw.host import BRIDGE, OVERLAY, UPLINK, Host, Place

NEAR, FAR = ip_network("10.42.1.0/24"), ip_network("10.42.2.0/24")
NODE = ip_address("192.168.1.11")


@pytest.fixture
def host() -> Host:
    """A node with a peer next door, and one behind a router."""
    made = Host(0, (4, 6))
    made.learn(Place.of(1, 4), NODE)
    made.learn(Place.of(1, 6), ip_address("fd00:1::11"))
    router = ip_address("192.168.1.1")
    made.host.add_route(Route(ip_network("0.0.0.0/0"), made.link(UPLINK).index, router))
    made.learn(Place.of(2, 4), ip_address("203.0.114.7"))
    return made


def seen(host: Host, **keys: object) -> Prospect:
    return look_around(host.host, Terms.model_validate(keys))


def test_who_is_next_door(host: Host) -> None:
    found = seen(host)
    assert found.refusal == ""
    near = {
        str(c.peer.cidr): (str(c.peer.address), c.uplink.name, str(c.source))
        for c in found.candidates
    }
    assert near == {
        "10.42.1.0/24": ("192.168.1.11", UPLINK, "192.168.1.10"),
        "fd00:42:0:1::/64": ("fd00:1::11", UPLINK, "fd00:1::10"),
    }
    assert found.candidates[0].peer.overlay.name == OVERLAY


@pytest.mark.parametrize(("bound", "source"), [("", "::99"), ("::10", "::10"), ("::77", "::99")])
def test_it_speaks_from_the_address_that_flannel_has_told_its_peers(
    host: Host, bound: str, source: str
) -> None:
    """One of privacy extensions is the source of what the host sends, and known to nobody."""
    index, of_lan = host.link(UPLINK).index, ip_network("fd00:1::/64")
    temporary = ip_interface("fd00:1::99/64")
    host.host.add_address(index, temporary)
    host.host.netns.routes = [
        replace(route, source=temporary.ip) if route.dst == of_lan else route
        for route in host.host.netns.routes
    ]
    host.bind_overlay(ip_address(f"fd00:1{bound}") if bound else None)
    (candidate,) = (c for c in seen(host).candidates if c.peer.cidr.version == 6)
    assert candidate.source == ip_address(f"fd00:1{source}")


def test_a_list_of_peers_may_know_it_by_another_address(host: Host) -> None:
    host.host.add_address(host.link(UPLINK).index, ip_interface("192.168.1.99/24"))
    host.bind_overlay(ip_address("192.168.1.99"))
    (found,) = (c for c in seen(host).candidates if c.peer.cidr == NEAR)
    assert found.source == ip_address("192.168.1.99")
    (found,) = seen(host, peers=[{"cidr": str(NEAR), "address": str(NODE)}]).candidates
    assert found.source == ip_address("192.168.1.10")


def test_who_is_not_and_why(host: Host) -> None:
    found = seen(host)
    assert found.distant == {FAR: "its node 203.0.114.7 is behind the router 192.168.1.1"}
    assert set(found.known) == {NEAR, ip_network("fd00:42:0:1::/64"), FAR}


def test_who_never_may_be_is_not_known_either(host: Host) -> None:
    found = seen(host, serviceNetworks=["10.42.1.0/25"])
    assert found.refused == {NEAR: "overlaps serviceNetworks"}
    assert NEAR not in found.known
    assert NEAR not in {c.peer.cidr for c in found.candidates}


def test_what_the_lan_has_is_no_peers(host: Host) -> None:
    own = ip_interface("10.42.1.128/25")
    host.host.add_address(host.link(BRIDGE).index, own)
    found = seen(host)
    assert found.refused == {NEAR: f"main has 10.42.1.128/25 dev {BRIDGE}, which overlaps"}


def test_a_list_of_peers_is_asked_instead(host: Host) -> None:
    stated = [
        {"cidr": "10.42.1.0/25", "address": "192.168.1.20"},
        {"cidr": "10.99.0.0/24", "address": "192.168.1.21"},  # which main does not know
    ]
    found = seen(host, peers=stated)
    assert [(str(c.peer.cidr), str(c.peer.address)) for c in found.candidates] == [
        ("10.42.1.0/25", "192.168.1.20")
    ]
    assert (found.distant, found.refused) == ({}, {})


def test_another_uplink_is_wanted(host: Host) -> None:
    found = seen(host, uplink={"name": "eth7"})
    assert found.candidates == ()
    assert "uplink.name is eth7" in found.distant[NEAR]


def test_without_flannels_device_there_is_nobody(host: Host) -> None:
    host.kernel.delete_link(OVERLAY)
    found = seen(host)
    assert found == Prospect(refusal=found.refusal)
    assert "there is no vxlan device" in found.refusal
    host.kernel.add_bridge("cilium_host")
    host.host.set_up(host.link("cilium_host").index)
    assert "the pod network is Cilium" in seen(host).refusal


def test_what_flannel_has_forgotten_is_forgotten(host: Host) -> None:
    host.forget(Place.of(1, 4))
    found = seen(host)
    assert NEAR not in {*found.known, *found.distant, *found.refused}
    assert [str(c.peer.cidr) for c in found.candidates] == ["fd00:42:0:1::/64"]
