"""rtnetlink messages, as pyroute2 decodes them, to our own types, and requests back.

Sources: rtnetlink(7) and the kernel's if_link.h, rtnetlink.h and fib_rules.h.  Pure: no pyroute2.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Interface, ip_address, ip_interface, ip_network
from typing import Any, Protocol

from cni.kernel.types import Address, Interface, Link, Network, Route, Rule

RTN_UNICAST = 1
RT_SCOPE_UNIVERSE = 0
RT_SCOPE_LINK = 253
RT_SCOPE_NOWHERE = 255

_ARPHRD_ETHER = 1
_ARPHRD_LOOPBACK = 772
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
# RUNNING beside LOWER_UP: only then has the link watch attached the queue, before it frames drop.
_CARRIER = 0x40 | 0x10000
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_IFA_F_NODAD = 0x02
_LONGEST_WITH_BROADCAST = 30
_RTM_F_CLONED = 0x200
_FR_ACT_TO_TBL = 1
_FIB_RULE_INVERT = 0x2
_NO_SUPPRESSION = 0xFFFF_FFFF
# What a rule may carry and still say no more than `from SOURCE lookup TABLE`.
_PLAIN_RULE = frozenset(
    {"FRA_SRC", "FRA_TABLE", "FRA_PRIORITY", "FRA_PROTOCOL", "FRA_SUPPRESS_PREFIXLEN"}
)


class Message(Protocol):
    """A netlink message or a nested attribute, decoded by pyroute2."""

    def __getitem__(self, field: str, /) -> Any:
        """Return a field of the fixed header."""
        ...

    def get_attr(self, name: str, default: Any = None) -> Any:
        """Return an attribute's value."""
        ...


def link(message: Message) -> Link:
    """Read RTM_NEWLINK."""
    flags = message["flags"]
    has_mac = message["ifi_type"] in {_ARPHRD_ETHER, _ARPHRD_LOOPBACK}
    info = message.get_attr("IFLA_LINKINFO")
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        mac=message.get_attr("IFLA_ADDRESS", "") if has_mac else "",
        mtu=message.get_attr("IFLA_MTU"),
        up=bool(flags & _IFF_UP),
        carrier=flags & _CARRIER == _CARRIER,
        kind=(info.get_attr("IFLA_INFO_KIND") or "") if info else "",
        permanent_mac=message.get_attr("IFLA_PERM_ADDRESS", ""),
        parent=message.get_attr("IFLA_PARENT_DEV_NAME", ""),
        lower=message.get_attr("IFLA_LINK", 0),
        lower_netnsid=message.get_attr("IFLA_LINK_NETNSID"),
        master=message.get_attr("IFLA_MASTER", 0),
        altnames=_altnames(message),
        min_mtu=message.get_attr("IFLA_MIN_MTU", 0),
        max_mtu=message.get_attr("IFLA_MAX_MTU", 0),
        loopback=bool(flags & _IFF_LOOPBACK),
    )


def address(message: Message) -> Interface:
    """Read RTM_NEWADDR."""
    # IFA_ADDRESS is the other end where a link is point-to-point; IFA_LOCAL is ours.
    own = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return ip_interface((own, message["prefixlen"]))


def routes(message: Message, index: int) -> Iterator[Route]:
    """Read the nexthops of RTM_NEWROUTE that leave by one link.

    A cached clone has none: it goes with the route that it was cloned from.
    """
    if message["flags"] & _RTM_F_CLONED:
        return
    if message.get_attr("RTA_OIF") == index:
        yield _route(message, message, index)
    for nexthop in message.get_attr("RTA_MULTIPATH", ()):
        if nexthop["oif"] == index:
            yield _route(message, nexthop, index)


def rule(message: Message) -> Rule | None:
    """Read RTM_NEWRULE; None when it is more than `from SOURCE lookup TABLE`."""
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
    return Rule(
        source=_network(message["family"], message.get_attr("FRA_SRC"), message["src_len"]),
        table=message.get_attr("FRA_TABLE"),
        priority=message.get_attr("FRA_PRIORITY", 0),
    )


def address_request(index: int, interface: Interface) -> dict[str, Any]:
    """Return pyroute2's arguments for `ip address add A dev X nodad`."""
    request: dict[str, Any] = {
        "index": index,
        "family": family(interface),
        "address": str(interface.ip),
        "prefixlen": interface.network.prefixlen,
    }
    if isinstance(interface, IPv6Interface):
        request["flags"] = _IFA_F_NODAD
    elif interface.network.prefixlen <= _LONGEST_WITH_BROADCAST:
        request["broadcast"] = str(interface.network.broadcast_address)
    return request


def route_request(route: Route) -> dict[str, Any]:
    """Return pyroute2's arguments for `ip route … ROUTE`, scope excepted."""
    request: dict[str, Any] = {
        "family": family(route.dst),
        "dst": str(route.dst),
        "oif": route.index,
        "table": route.table,
        "proto": route.protocol,
        "type": route.kind,
        "priority": route.priority or None,
        "prefsrc": str(route.source) if route.source else None,
    }
    if route.gateway and route.gateway.version == route.dst.version:
        request["gateway"] = str(route.gateway)
    elif route.gateway:
        request["via"] = {"family": family(route.gateway), "addr": str(route.gateway)}
    metrics = {"mtu": route.mtu, "advmss": route.advmss}
    if any(metrics.values()):
        request["metrics"] = {name: value for name, value in metrics.items() if value}
    return request


def scope_of(route: Route) -> int:
    """Return the scope to ask for: link, as iproute2 does, for an IPv4 route without gateway."""
    on_link = route.scope == RT_SCOPE_UNIVERSE and route.kind == RTN_UNICAST and not route.gateway
    return RT_SCOPE_LINK if on_link and isinstance(route.dst, IPv4Network) else route.scope


def rule_request(rule: Rule) -> dict[str, Any]:
    """Return pyroute2's arguments for `ip rule … from S lookup T priority P`."""
    return {
        "family": family(rule.source),
        "src": str(rule.source.network_address) if rule.source.prefixlen else None,
        "src_len": rule.source.prefixlen,
        "table": rule.table,
        "priority": rule.priority,
    }


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
    return f"from {rule.source} lookup {rule.table} priority {rule.priority}"


def family(value: Address | Interface | Network) -> socket.AddressFamily:
    """Return AF_INET or AF_INET6."""
    return _FAMILIES[value.version]


def _altnames(message: Message) -> tuple[str, ...]:
    properties = message.get_attr("IFLA_PROP_LIST")
    return tuple(properties.altnames()) if properties else ()


def _route(message: Message, nexthop: Message, index: int) -> Route:
    metrics = message.get_attr("RTA_METRICS")
    source = message.get_attr("RTA_PREFSRC")
    return Route(
        dst=_network(message["family"], message.get_attr("RTA_DST"), message["dst_len"]),
        index=index,
        gateway=_gateway(nexthop),
        table=message.get_attr("RTA_TABLE", message["table"]),
        priority=message.get_attr("RTA_PRIORITY", 0),
        source=ip_address(source) if source else None,
        mtu=metrics.get_attr("RTAX_MTU", 0) if metrics else 0,
        advmss=metrics.get_attr("RTAX_ADVMSS", 0) if metrics else 0,
        scope=message["scope"],
        protocol=message["proto"],
        kind=message["type"],
    )


def _gateway(nexthop: Message) -> Address | None:
    via = nexthop.get_attr("RTA_VIA")
    gateway = via["addr"] if via else nexthop.get_attr("RTA_GATEWAY")
    return ip_address(gateway) if gateway else None


def _network(family: int, prefix: str | None, length: int) -> Network:
    if prefix is None:
        return IPv4Network("0.0.0.0/0") if family == socket.AF_INET else ip_network("::/0")
    return ip_network((prefix, length))
