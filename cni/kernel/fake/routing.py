"""The routes that Linux makes by itself, and what it asks of those that it is given."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import (
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
)

from cni.kernel import messages
from cni.kernel.fake.model import Device, Netns
from cni.kernel.types import LOCAL_TABLE, MAIN_TABLE, Address, Interface, Network, Route, Rule

KERNEL = 2
ROUTER_ADVERTISEMENT = 9
DEFAULT_METRIC = 1024
"""What IPv6 makes of metric 0."""

LAST_PORT_OF_A_RULE = 65534

_LOCAL, _BROADCAST, _MULTICAST = 2, 3, 5
_LEADING = frozenset({messages.RTN_UNICAST, _LOCAL})
_HOST_SCOPE = 254
_CONNECTED_METRIC = 256
_LINK_LOCAL = IPv6Network("fe80::/64")
_ALL_MULTICAST = IPv6Network("ff00::/8")
_LONGEST_CONNECTED = 31
_LONGEST_WITH_BROADCAST = 30

RULES = (
    Rule(IPv4Network("0.0.0.0/0"), 255, 0, protocol=KERNEL),
    Rule(IPv4Network("0.0.0.0/0"), 254, 32766, protocol=KERNEL),
    Rule(IPv4Network("0.0.0.0/0"), 253, 32767, protocol=KERNEL),
)
RULES6 = (
    Rule(IPv6Network("::/0"), 255, 0, protocol=KERNEL),
    Rule(IPv6Network("::/0"), 254, 32766, protocol=KERNEL),
)
"""The rules of a new namespace."""


def local(device: Device, address: Interface) -> Route:
    """Return the route that makes an address this host's; up or not."""
    route = Route(_host(address), device.index, table=LOCAL_TABLE, protocol=KERNEL, kind=_LOCAL)
    if isinstance(address, IPv6Interface):
        return route
    return replace(route, scope=_HOST_SCOPE, source=_primary(device, address).ip)


def connected(device: Device, address: Interface) -> list[Route]:
    """Return the routes to an address's subnet, which a link has while it is up."""
    subnet = Route(address.network, device.index, protocol=KERNEL)
    if isinstance(address, IPv6Interface):
        return [replace(subnet, priority=_CONNECTED_METRIC)]
    length = address.network.prefixlen
    if length > _LONGEST_CONNECTED or _primary(device, address) != address:
        return []
    subnet = replace(subnet, scope=messages.RT_SCOPE_LINK, source=address.ip)
    if length > _LONGEST_WITH_BROADCAST:
        return [subnet]
    last = IPv4Interface(address.network.broadcast_address).network
    return [subnet, replace(subnet, dst=last, table=LOCAL_TABLE, kind=_BROADCAST)]


def multicast(device: Device) -> Route:
    """Return IPv6's route for every multicast group."""
    return Route(
        _ALL_MULTICAST,
        device.index,
        table=LOCAL_TABLE,
        priority=_CONNECTED_METRIC,
        protocol=KERNEL,
        kind=_MULTICAST,
    )


def link_local(mac: str) -> IPv6Interface:
    """Return the link-local address that a MAC makes (EUI-64, RFC 4291 appendix A)."""
    octets = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes([octets[0] ^ 2]) + octets[1:3] + b"\xff\xfe" + octets[3:]
    address = int(_LINK_LOCAL.network_address) | int.from_bytes(identifier, "big")
    return IPv6Interface((IPv6Address(address), _LINK_LOCAL.prefixlen))


def survives_down(route: Route) -> bool:
    """Return whether a route stays when its link goes down: IPv4's local ones do."""
    return route.kind == _LOCAL and isinstance(route.dst, IPv4Network)


def as_stored(route: Route) -> Route:
    """Return a route as the kernel shows it after it was added."""
    if isinstance(route.dst, IPv6Network):
        return replace(route, scope=0, priority=route.priority or DEFAULT_METRIC)
    return replace(route, scope=messages.scope_of(route))


def refusal(netns: Netns, device: Device, route: Route) -> tuple[int, str] | None:
    """Return the errno and words that refuse a route to be added, None when it is welcome."""
    ipv6 = isinstance(route.dst, IPv6Network)
    if not device.up:
        return errno.ENETDOWN, "Device for nexthop is not up"
    if route.gateway and not _is_on_link(netns, device, route):
        if ipv6:
            return errno.EHOSTUNREACH, "No route to host"
        return errno.ENETUNREACH, "Nexthop has invalid gateway"
    own = {address.ip for holder in netns.devices.values() for address in holder.addresses}
    if route.source and route.source not in own:
        return errno.EINVAL, "Invalid source address"
    if any(_key(route) == _key(other) for other in netns.routes):
        return errno.EEXIST, "File exists"
    return None


def matches(route: Route, wanted: Route) -> bool:
    """Return whether a route is the one to be deleted; what that leaves open, any route has."""
    exact = ("dst", "table", "index", "kind", "protocol")
    optional = ("gateway", "priority", "source", "mtu", "advmss")
    return all(getattr(route, name) == getattr(wanted, name) for name in exact) and all(
        getattr(wanted, name) in {0, None, getattr(route, name)} for name in optional
    )


def is_meant(wanted: Rule, rule: Rule) -> bool:
    """Return whether a rule is the one to be deleted; what that leaves open, any rule has."""
    if wanted.source.version != rule.source.version or wanted.table != rule.table:
        return False
    optional = ("priority", "mark", "mask", "ip_protocol", "port", "protocol", "to")
    return (not wanted.source.prefixlen or wanted.source == rule.source) and all(
        getattr(wanted, name) in {0, None, getattr(rule, name)} for name in optional
    )


def _is_on_link(netns: Netns, device: Device, route: Route) -> bool:
    return any(
        other.index == device.index
        and other.gateway is None
        and route.gateway in other.dst
        and other.kind == messages.RTN_UNICAST
        for other in netns.routes
    )


def _key(route: Route) -> tuple[Network, int, int]:
    return route.dst, route.table, route.priority


def _host(address: Interface) -> Network:
    return ip_interface(address.ip).network


def _primary(device: Device, address: Interface) -> Interface:
    """Return the first address of the same subnet; the later ones are secondary."""
    return next((a for a in device.addresses if a.network == address.network), address)


def way_to(netns: Netns, destination: Address) -> Route | None:
    """Return the best route of the local and of the main table, as `ip route get` shows it."""
    for table in (LOCAL_TABLE, MAIN_TABLE):
        fitting = [
            route
            for route in netns.routes
            if route.table == table and route.kind in _LEADING and destination in route.dst
        ]
        if fitting:
            best = min(fitting, key=lambda route: (-route.dst.prefixlen, route.priority))
            return _taken(netns, best, destination)
    return None


def _taken(netns: Netns, route: Route, destination: Address) -> Route:
    """Return one packet's own route: to it alone, from an address that it may have."""
    device = netns.devices[route.index]
    near = [a.ip for a in device.addresses if (route.gateway or destination) in a.network]
    others = [a.ip for a in device.addresses if a.version == destination.version]
    source = route.source or next(iter(near + others), None)
    return replace(route, dst=ip_interface(destination).network, source=source, priority=0, scope=0)
