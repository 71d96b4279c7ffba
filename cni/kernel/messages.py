"""Addresses and routes: from pyroute2's messages to our own types, and requests back.

Sources: rtnetlink(7) and the kernel's rtnetlink.h.  Pure: no pyroute2.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Interface, ip_interface
from typing import Any, Literal, Protocol, TypeAlias

from cni.kernel import netlink
from cni.kernel.types import Address, Interface, Network, Route

RTN_UNICAST = 1
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
RT_SCOPE_NOWHERE = 255

_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_NEW = netlink.ACK | netlink.CREATE | netlink.EXCLUSIVE
_ALL_FAMILIES = 255
"""The kernel has no such family, and dumps every one's routes; 0 would mean IPv4 alone."""
_RT_TABLE_COMPAT = 252
_LARGEST_SHORT_TABLE = 255
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_IFA_F_NODAD = 0x02
_LONGEST_WITH_BROADCAST = 30


Form: TypeAlias = Literal["address", "route"]
"""Which of rtnetlink's messages."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, with pyroute2's names for fields and attributes."""

    form: Form
    kind: int
    """RTM_*."""
    flags: int
    """NLM_F_*, beside NLM_F_REQUEST."""
    header: Mapping[str, int] = field(default_factory=dict)
    attributes: Sequence[tuple[str, Any]] = ()


class Message(Protocol):
    """A netlink message or a nested attribute, decoded by pyroute2."""

    def __getitem__(self, field: str, /) -> Any:
        """Return a field of the fixed header."""
        ...

    def get_attr(self, name: str, default: Any = None) -> Any:
        """Return an attribute's value."""
        ...


def address(message: Message) -> Interface:
    """Read RTM_NEWADDR."""
    # IFA_ADDRESS is the other end where a link is point-to-point; IFA_LOCAL is ours.
    own = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return ip_interface((own, message["prefixlen"]))


def addresses_request(index: int) -> Ask:
    """`ip address show dev X`."""
    return Ask("address", _RTM_GETADDR, netlink.DUMP, {"index": index})


def address_request(index: int, interface: Interface) -> Ask:
    """`ip address add A dev X nodad`."""
    header = {
        "family": family(interface), "prefixlen": interface.network.prefixlen, "index": index,
    }  # fmt: skip
    address = str(interface.ip)
    attributes = [("IFA_LOCAL", address), ("IFA_ADDRESS", address)]
    if isinstance(interface, IPv6Interface):
        header["flags"] = _IFA_F_NODAD
    elif interface.network.prefixlen <= _LONGEST_WITH_BROADCAST:
        attributes.append(("IFA_BROADCAST", str(interface.network.broadcast_address)))
    return Ask("address", _RTM_NEWADDR, _NEW, header, attributes)


def routes_request(index: int) -> Ask:
    """`ip route show table all dev X`, of both families."""
    header = {"family": _ALL_FAMILIES}
    return Ask("route", _RTM_GETROUTE, netlink.DUMP, header, [("RTA_OIF", index)])


def table_request(table: int) -> Ask:
    """`ip route show table T; ip -6 route show table T`."""
    header = {"family": _ALL_FAMILIES}
    return Ask("route", _RTM_GETROUTE, netlink.DUMP, header, [("RTA_TABLE", table)])


def route_request(route: Route, *, add: bool) -> Ask:
    """`ip route add|del ROUTE`; what is to go has any scope."""
    attributes: list[tuple[str, Any]] = [
        ("RTA_DST", str(route.dst.network_address)),
        ("RTA_OIF", route.index),
        ("RTA_TABLE", route.table),
    ]
    if route.priority:
        attributes.append(("RTA_PRIORITY", route.priority))
    if route.source:
        attributes.append(("RTA_PREFSRC", str(route.source)))
    if route.gateway and not needs_via(route):
        attributes.append(("RTA_GATEWAY", str(route.gateway)))
    elif route.gateway:
        via = {"family": family(route.gateway), "addr": str(route.gateway)}
        attributes.append(("RTA_VIA", via))
    metrics = [("RTAX_MTU", route.mtu), ("RTAX_ADVMSS", route.advmss)]
    if stated := [metric for metric in metrics if metric[1]]:
        attributes.append(("RTA_METRICS", {"attrs": stated}))
    header = {
        "family": family(route.dst),
        "dst_len": route.dst.prefixlen,
        "table": _short(route.table),
        "proto": route.protocol,
        "scope": scope_of(route) if add else RT_SCOPE_NOWHERE,
        "type": route.kind,
    }
    if add:
        return Ask("route", _RTM_NEWROUTE, _NEW, header, attributes)
    return Ask("route", _RTM_DELROUTE, netlink.ACK, header, attributes)


def needs_via(route: Route) -> bool:
    """Return whether a route's gateway is of the other IP version (Linux 5.2)."""
    return route.gateway is not None and route.gateway.version != route.dst.version


def _short(table: int) -> int:
    return table if table <= _LARGEST_SHORT_TABLE else _RT_TABLE_COMPAT


def scope_of(route: Route) -> int:
    """Return the scope to ask for: link, as iproute2 does, for an IPv4 route without gateway."""
    on_link = route.scope == RT_SCOPE_UNIVERSE and route.kind == RTN_UNICAST and not route.gateway
    return RT_SCOPE_LINK if on_link and isinstance(route.dst, IPv4Network) else route.scope


def route_words(route: Route) -> str:
    """Return a route the way `ip route` is told, without its link."""
    words = [str(route.dst)]
    if route.gateway:
        inet6 = "inet6 " if needs_via(route) else ""
        words.append(f"via {inet6}{route.gateway}")
    words.append(f"table {route.table}")
    for name, value in (
        ("metric", route.priority),
        ("src", route.source),
        ("mtu", route.mtu),
        ("advmss", route.advmss),
    ):
        if value:
            words.append(f"{name} {value}")
    return " ".join(words)


def family(value: Address | Interface | Network) -> socket.AddressFamily:
    """Return AF_INET or AF_INET6."""
    return _FAMILIES[value.version]
