"""A node that is well: on WiFi, with flannel and two peers next door."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from cni.hostgw.landscape import Landscape
from cni.hostgw.peers import Overlay, Peer
from cni.kernel.adapters import Radio
from cni.kernel.types import Link, Route
from install.doctor.wifi.facts import Facts, Reach, Series, Uplink

GOOD = Series(20, (0.5,) * 20)
MAC = "02:00:00:00:00:01"
RADIO = Radio(
    power_save=False, signal=-55, bitrate=72.2, frequency=5180, ssid="home",
    bssid="02:00:00:00:01:00",
)  # fmt: skip


def link(index: int, name: str, kind: str = "", mtu: int = 1500) -> Link:
    return Link(index, name, MAC, mtu, up=True, carrier=True, kind=kind)


WLAN = link(2, "wlan0")
TUNNEL, TUNNEL6 = link(3, "flannel.1", "vxlan", 1450), link(5, "flannel-v6.1", "vxlan", 1430)
BRIDGE = link(4, "cni0", "bridge", 1450)
OVERLAY = Overlay(3, "flannel.1", 1450, (ip_interface("10.42.0.0/32"),))
OVERLAY6 = Overlay(5, "flannel-v6.1", 1430, (ip_interface("fd00:42::/128"),))
UPLINK = Uplink(
    WLAN,
    (ip_interface("192.168.1.10/24"),),
    wireless=True,
    radio_name="wlan0",
    radio=RADIO,
    gateway=ip_address("192.168.1.1"),
    gateway_answers=True,
)


def reach(number: int) -> Reach:
    """Return a peer that is well."""
    return Reach(
        Peer(ip_network(f"10.42.{number}.0/24"), ip_address(f"192.168.1.1{number}"), OVERLAY),
        ip_address(f"10.42.{number}.0"), uplink="wlan0", answers=True, node=GOOD, overlay=GOOD,
    )  # fmt: skip


ONE, TWO = reach(1), reach(2)
SIX = Reach(
    Peer(ip_network("fd00:42:1::/64"), ip_address("fd00:1::11"), OVERLAY6),
    ip_address("fd00:42:1::"), uplink="wlan0", answers=True, node=GOOD, overlay=GOOD,
)  # fmt: skip
LANDSCAPE = Landscape(
    links=[WLAN, TUNNEL, BRIDGE],
    main=[
        Route(ip_network("0.0.0.0/0"), 2, ip_address("192.168.1.1")),
        Route(ip_network("192.168.1.0/24"), 2, scope=253),
        Route(ip_network("10.42.0.0/24"), 4, scope=253),
        Route(ip_network("10.42.1.0/24"), 3, ip_address("10.42.1.0")),
        Route(ip_network("10.42.2.0/24"), 3, ip_address("10.42.2.0")),
    ],
    tunnels=[TUNNEL],
)
WELL = Facts(
    release="6.18.0",
    landscape=LANDSCAPE,
    uplinks=[UPLINK],
    reached=[ONE, TWO],
    offloads={"flannel.1": False},
    filters={"wlan0": "2", "flannel.1": "0"},
    forwarding={4: "1", 6: "0"},
)
