"""What flannel's vxlan backend makes on a node and does later (pkg/backend/vxlan)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tests.netns.namespace import Namespace, run

OVERLAYS = {4: "flannel.1", 6: "flannel-v6.1"}
UPLINK = "eth0"
_MTUS = {4: 1450, 6: 1430}
"""Of an uplink's 1500, what an outer IPv4 or IPv6 header leaves."""
_WHOLE = {4: 32, 6: 128}


class Leased(Protocol):
    """A node, as its lease describes it."""

    number: int

    def address(self, family: int) -> str:
        """Return the node's address on the LAN."""
        ...

    def pod_network(self, family: int) -> str:
        """Return what is leased to it."""
        ...


class Flannel:
    """Flannel on one node.

    Args:
        host: the node's namespace.
        own: its lease.
    """

    def __init__(self, host: Namespace, own: Leased) -> None:
        self._host = host
        self._own = own

    def start(self, others: Iterable[Leased]) -> None:
        """Make the devices of both families, and lead to the other nodes."""
        for family, device in OVERLAYS.items():
            local = ("local", self._own.address(family))
            vxlan = ("type", "vxlan", "id", "1", "dev", UPLINK, *local, "dstport", "8472")
            self._host.ip("link", "add", device, *vxlan, "nolearning")
            mac = _mac(self._own, family)
            self._host.ip("link", "set", device, "address", mac, "mtu", str(_MTUS[family]))
            self._host.ip("link", "set", device, "addrgenmode", "none", "up")
            address = f"{_gateway(self._own, family)}/{_WHOLE[family]}"
            self._host.ip("address", "add", address, "dev", device)
        for other in others:
            self.add(other)

    def stop(self) -> None:
        """Remove the devices, and with them all that leads over them."""
        for device in OVERLAYS.values():
            self._host.ip("link", "delete", device)

    def add(self, other: Leased) -> None:
        """Handle the event that another node's lease is there, or has changed."""
        for family, device in OVERLAYS.items():
            gateway, mac = _gateway(other, family), _mac(other, family)
            entry = (gateway, "lladdr", mac, "dev", device, "nud", "permanent")
            self._host.ip("neighbour", "replace", *entry)
            lead = (mac, "dev", device, "dst", other.address(family))
            run("bridge", "-n", self._host.name, "fdb", "replace", *lead)
            via = ("via", gateway, "dev", device, "onlink")
            self._host.ip("route", "replace", other.pod_network(family), *via)

    def remove(self, other: Leased) -> None:
        """Handle the event that another node's lease is gone."""
        for family, device in OVERLAYS.items():
            gateway, mac = _gateway(other, family), _mac(other, family)
            self._host.ip("neighbour", "delete", gateway, "dev", device)
            run("bridge", "-n", self._host.name, "fdb", "delete", mac, "dev", device)
            self._host.ip("route", "delete", other.pod_network(family), "dev", device)


def _gateway(node: Leased, family: int) -> str:
    """Return the first address of a node's pod network, which its overlay device has."""
    return node.pod_network(family).partition("/")[0]


def _mac(node: Leased, family: int) -> str:
    return f"02:00:00:00:0{family}:0{node.number}"
