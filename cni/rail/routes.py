"""Which routes a rail may carry: only those inside its fabric's prefixes.

Pure functions: what is asked for, or what the kernel has → what may stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network

from cni.kernel.types import MAIN_TABLE, Interface, Network, Route, Rule
from cni.protocol.results import Ip
from cni.protocol.results import Route as WantedRoute

_LINK_SCOPE = 253
_UNICAST = 1
_BY_KERNEL = 2
_LINK_LOCAL: Network = IPv6Network("fe80::/10")
_MULTICAST: Network = IPv6Network("ff00::/8")

_METRIC = 100
"""Of a route that states none; each rail adds its interface's index."""
_LARGEST_METRIC = 2**32 - 1
SOURCE_TABLE = 10_000
"""Table of a rail's source routes: this plus the interface's index."""
SOURCE_PRIORITY = 1_000
"""Of the rule that leads there: before main (32766)."""


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """What an attachment routes, and what it was asked to route but must not."""

    kept: tuple[WantedRoute, ...]
    foreign: tuple[WantedRoute, ...]


def plan(wanted: Sequence[WantedRoute], allowed: Sequence[Network]) -> RoutePlan:
    """Divide the routes of an IPAM result by the prefixes that the rail may reach."""
    kept = tuple(route for route in wanted if is_inside(route.dst, allowed))
    return RoutePlan(kept, tuple(route for route in wanted if route not in kept))


def is_inside(network: Network, allowed: Iterable[Network]) -> bool:
    """Return whether a network lies wholly inside one of the allowed ones."""
    return any(_within(network, prefix) for prefix in allowed)


def _within(network: Network, prefix: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(prefix, IPv4Network) and network.subnet_of(prefix)
    return isinstance(prefix, IPv6Network) and network.subnet_of(prefix)


def settle(plan: RoutePlan, ips: Sequence[Ip], index: int) -> tuple[WantedRoute, ...]:
    """Return the kept routes with next hop and metric stated, as they will be in the pod.

    A route without `gw` goes through its family's `gateway`, as the reference IPAM plugins mean
    it.  The subnets of the addresses themselves are left out: the kernel makes those routes.

    Args:
        plan: what may be routed.
        ips: the attachment's addresses.
        index: of the rail's link in the pod.
    """
    connected = {ip.address.network for ip in ips}
    gateways = {ip.address.version: ip.gateway for ip in reversed(ips) if ip.gateway}
    return tuple(
        route.model_copy(
            update={
                "gw": route.gw or gateways.get(route.dst.version),
                # Several rails may lead to one prefix: with equal metrics the second is refused.
                "priority": _metric(route, index),
            }
        )
        for route in plan.kept
        if route.gw or route.dst not in connected
    )


def _metric(route: WantedRoute, index: int) -> int:
    return min((_METRIC if route.priority is None else route.priority) + index, _LARGEST_METRIC)


def kernel_routes(settled: Sequence[WantedRoute], index: int) -> tuple[Route, ...]:
    """Return settled routes as the kernel wants them."""
    return tuple(
        Route(
            dst=route.dst,
            index=index,
            gateway=route.gw,
            table=route.table or MAIN_TABLE,
            priority=route.priority or 0,
            mtu=route.mtu or 0,
            advmss=route.advmss or 0,
            scope=route.scope or (0 if route.gw else _LINK_SCOPE),
        )
        for route in settled
    )


def source_rules(addresses: Sequence[Interface], index: int) -> tuple[Rule, ...]:
    """Return one `from ADDRESS` rule per address, to the interface's own table."""
    return tuple(
        Rule(ip_network(address.ip), SOURCE_TABLE + index, SOURCE_PRIORITY) for address in addresses
    )


def source_routes(
    addresses: Sequence[Interface], routes: Sequence[Route], index: int
) -> tuple[Route, ...]:
    """Return what the interface's own table needs: its subnets, and its routes once more."""
    table = SOURCE_TABLE + index
    subnets = tuple(
        Route(address.network, index, table=table, scope=_LINK_SCOPE) for address in addresses
    )
    return subnets + tuple(replace(route, table=table) for route in routes)


def shares_subnet(addresses: Sequence[Interface], others: Iterable[Interface]) -> bool:
    """Return whether another interface of the pod already serves a subnet of these addresses."""
    mine = [address.network for address in addresses]
    return any(is_inside(other.network, mine) for other in others)


def foreign_routes(
    present: Sequence[Route], expected: Sequence[Route], addresses: Sequence[Interface]
) -> tuple[Route, ...]:
    """Return the unicast routes through the rail that neither we nor its addresses made."""
    known = {_identity(route) for route in expected}
    connected = {address.network for address in addresses}
    return tuple(
        route
        for route in present
        if route.kind == _UNICAST
        and _identity(route) not in known
        and not (route.protocol == _BY_KERNEL and route.dst in connected)
        and not is_inside(route.dst, (_LINK_LOCAL, _MULTICAST))
    )


def missing_routes(present: Sequence[Route], expected: Sequence[Route]) -> tuple[Route, ...]:
    """Return the expected routes that the kernel no longer has."""
    there = {_identity(route) for route in present}
    return tuple(route for route in expected if _identity(route) not in there)


def _identity(route: Route) -> tuple[object, ...]:
    """What makes two routes the same; metrics and scopes the kernel fills in by itself."""
    return (route.dst, route.gateway, route.table)


def describe(route: Route | WantedRoute) -> str:
    """Return a route as iproute2 writes it, for messages."""
    gateway = route.gw if isinstance(route, WantedRoute) else route.gateway
    return f"{route.dst}" + (f" via {gateway}" if gateway else "")
