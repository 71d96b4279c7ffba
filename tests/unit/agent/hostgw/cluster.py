"""Two nodes of a cluster, as values."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from cni.agent.hostgw.echo import Word
from cni.agent.hostgw.keys import Key, Keys
from cni.hostgw.peers import Overlay, Peer
from cni.hostgw.terrain import Candidate
from cni.kernel.types import Address, Link

OVERLAY = Overlay(7, "flannel.1", 1450, (ip_interface("10.42.0.0/32"), ip_interface("fd42::/128")))
UPLINK = Link(3, "wlan0", "02:00:00:00:00:01", 1500, up=True, carrier=True)
WIRE = Link(4, "eth0", "02:00:00:00:00:02", 1500, up=True, carrier=True)
KEY, OTHER = Key.of(b"k" * 32), Key.of(b"o" * 32)
KEYS = Keys((KEY, OTHER))
OWN, PEER = ip_address("192.168.1.10"), ip_address("192.168.1.11")
OWN6, PEER6 = ip_address("fd00:1::10"), ip_address("fd00:1::11")
PODS, PODS6 = ip_network("10.42.1.0/24"), ip_network("fd42:0:0:1::/64")
PROBE, PROBE6 = ip_address("10.42.1.9"), ip_address("fd42:0:0:1::9")


def near(
    cidr: str = "10.42.1.0/24",
    node: Address = PEER,
    own: Address = OWN,
    *,
    uplink: Link = UPLINK,
    overlay: Overlay = OVERLAY,
) -> Candidate:
    """Return a candidate."""
    return Candidate(Peer(ip_network(cidr), node, overlay), uplink, own)


def word(
    mode: str = "wifi",
    *,
    wireless: bool = True,
    probe: Address | None = PROBE,
    leaving: bool = False,
) -> Word:
    """Return what a peer's agent says."""
    return Word(mode, wireless, probe, "1.2.3", leaving)
