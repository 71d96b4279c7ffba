"""Addresses, routes and rules: from pyroute2's messages to our own types, and requests back.

Sources: rtnetlink(7) and the kernel's rtnetlink.h and fib_rules.h.  Pure: no pyroute2.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Interface, ip_interface, ip_network
from typing import Any, Literal, Protocol, TypeAlias

from cni.kernel import netlink
from cni.kernel.types import Address, Interface, Network, Route, Rule

RTN_UNICAST = 1
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
RT_SCOPE_NOWHERE = 255

_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_RTM_NEWROUTE, _RTM_DELROUTE, _RTM_GETROUTE = 24, 25, 26
_RTM_NEWRULE, _RTM_DELRULE, _RTM_GETRULE = 32, 33, 34
_NEW = netlink.ACK | netlink.CREATE | netlink.EXCLUSIVE
_ALL_FAMILIES = 255
"""The kernel has no such family, and dumps every one's routes; 0 would mean IPv4 alone."""
_RT_TABLE_COMPAT = 252
_LARGEST_SHORT_TABLE = 255
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_IFA_F_NODAD = 0x02
_LONGEST_WITH_BROADCAST = 30
_FR_ACT_TO_TBL = 1
_FIB_RULE_INVERT = 0x2
_NO_SUPPRESSION = 0xFFFF_FFFF
# What a rule may carry and still say no more than `from SOURCE to DESTINATION lookup TABLE`.
_PLAIN_RULE = frozenset({
    "FRA_SRC", "FRA_DST", "FRA_TABLE", "FRA_PRIORITY", "FRA_PROTOCOL", "FRA_SUPPRESS_PREFIXLEN",
})  # fmt: skip


Form: TypeAlias = Literal["address", "route", "rule"]
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


def rule(message: Message) -> Rule | None:
    """Read RTM_NEWRULE; None when it is more than `from SOURCE to DESTINATION lookup TABLE`."""
    names = {attribute[0] for attribute in message["attrs"]}
    if (
        message["family"] not in _FAMILIES.values()
        or message["action"] != _FR_ACT_TO_TBL
        or message["flags"] & _FIB_RULE_INVERT
        or message["tos"]
        or not names <= _PLAIN_RULE
        or message.get_attr("FRA_SUPPRESS_PREFIXLEN", _NO_SUPPRESSION) != _NO_SUPPRESSION
    ):
        return None
    to = message.get_attr("FRA_DST")
    return Rule(
        source=_network(message["family"], message.get_attr("FRA_SRC"), message["src_len"]),
        table=message.get_attr("FRA_TABLE"),
        priority=message.get_attr("FRA_PRIORITY", 0),
        to=_network(message["family"], to, message["dst_len"]) if to else None,
        protocol=message.get_attr("FRA_PROTOCOL", 0),
    )


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


def way_request(destination: Address) -> Ask:
    """`ip route get DESTINATION`."""
    header = {"family": family(destination), "dst_len": destination.max_prefixlen}
    return Ask("route", _RTM_GETROUTE, netlink.ACK, header, [("RTA_DST", str(destination))])


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
    if route.gateway and route.gateway.version == route.dst.version:
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


def rules_request() -> Ask:
    """`ip rule show; ip -6 rule show`."""
    return Ask("rule", _RTM_GETRULE, netlink.DUMP)


def rule_request(rule: Rule, *, add: bool) -> Ask:
    """`ip rule add|del from S to D lookup T priority P protocol X`."""
    attributes: list[tuple[str, Any]] = [("FRA_TABLE", rule.table), ("FRA_PRIORITY", rule.priority)]
    if rule.source.prefixlen:
        attributes.append(("FRA_SRC", str(rule.source.network_address)))
    if rule.to:
        attributes.append(("FRA_DST", str(rule.to.network_address)))
    if rule.protocol:
        attributes.append(("FRA_PROTOCOL", rule.protocol))
    header = {
        "family": family(rule.source),
        "src_len": rule.source.prefixlen,
        "dst_len": rule.to.prefixlen if rule.to else 0,
        "table": _short(rule.table),
        "action": _FR_ACT_TO_TBL,
    }
    if add:
        return Ask("rule", _RTM_NEWRULE, _NEW, header, attributes)
    return Ask("rule", _RTM_DELRULE, netlink.ACK, header, attributes)


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
        inet6 = "inet6 " if route.gateway.version != route.dst.version else ""
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


def rule_words(rule: Rule) -> str:
    """Return a rule the way `ip rule` is told."""
    to = f" to {rule.to}" if rule.to else ""
    protocol = f" protocol {rule.protocol}" if rule.protocol else ""
    return f"from {rule.source}{to} lookup {rule.table} priority {rule.priority}{protocol}"


def family(value: Address | Interface | Network) -> socket.AddressFamily:
    """Return AF_INET or AF_INET6."""
    return _FAMILIES[value.version]


def _network(family: int, prefix: str | None, length: int) -> Network:
    if prefix is None:
        return IPv4Network("0.0.0.0/0") if family == socket.AF_INET else ip_network("::/0")
    return ip_network((prefix, length))
