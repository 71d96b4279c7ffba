"""Into a pod, a rail carries only routes inside its fabric's prefixes."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.kernel.types import LOCAL_TABLE, Network, Route
from cni.protocol.results import Ip
from cni.protocol.results import Route as WantedRoute
from cni.rail import routes

FABRIC = (ip_network("10.60.0.0/16"), ip_network("10.61.0.0/16"), ip_network("fd00:60::/64"))
ADDRESSES = (ip_interface("10.60.4.210/16"), ip_interface("fd00:60::4d2/64"))
IPS = tuple(Ip(address=address) for address in ADDRESSES)
INDEX = 7

CAPTURING = [
    "0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2",
    "192.0.0.0/2", "10.0.0.0/8", "10.60.0.0/15", "10.43.0.0/16", "10.43.0.1/32",
    "::/0", "2000::/3", "8000::/1", "fd00::/8", "fd00:60::/63",
]  # fmt: skip


def wanted(*destinations: str) -> list[WantedRoute]:
    return [WantedRoute(dst=ip_network(dst)) for dst in destinations]


@pytest.mark.parametrize("dst", CAPTURING)
def test_what_is_outside_is_foreign(dst: str) -> None:
    plan = routes.plan(wanted(dst, "10.61.0.0/16"), FABRIC)
    assert [str(route.dst) for route in plan.foreign] == [dst]
    assert [str(route.dst) for route in plan.kept] == ["10.61.0.0/16"]


@pytest.mark.parametrize("dst", ["10.60.0.0/16", "10.61.7.0/24", "10.61.0.1/32", "fd00:60::/64"])
def test_what_is_inside_stays(dst: str) -> None:
    assert not routes.plan(wanted(dst), FABRIC).foreign


@given(st.ip_addresses(), st.integers(0, 128))
def test_no_route_reaches_an_address_outside(address: object, length: int) -> None:
    version = ip_address(str(address)).version
    network = ip_network(f"{address}/{min(length, 32 if version == 4 else 128)}", strict=False)
    plan = routes.plan([WantedRoute(dst=network)], FABRIC)
    assert bool(plan.kept) == any(
        prefix.version == network.version and set(_ends(network)) <= {*_inside(prefix, network)}
        for prefix in FABRIC
    )


def _ends(network: Network) -> tuple[object, object]:
    return network[0], network[-1]


def _inside(prefix: Network, network: Network) -> list[object]:
    return [end for end in _ends(network) if end in prefix]


def test_a_route_without_a_next_hop_goes_through_its_familys_gateway() -> None:
    ips = (Ip(address=ADDRESSES[0], gateway=ip_address("10.60.0.1")), Ip(address=ADDRESSES[1]))
    plan = routes.plan(wanted("10.61.0.0/16", "fd00:60::8000:0:0:0/65"), FABRIC)
    first, second = routes.kernel_routes(routes.settle(plan, ips, INDEX), INDEX)
    assert (first.gateway, first.scope) == (ip_address("10.60.0.1"), 0)
    assert (second.gateway, second.scope) == (None, 253)


def test_the_subnets_own_route_is_the_kernels() -> None:
    plan = routes.plan(wanted("10.60.0.0/16", "fd00:60::/64"), FABRIC)
    assert routes.settle(plan, IPS, INDEX) == ()


def test_metrics_and_tables_are_passed_on() -> None:
    asked = WantedRoute(
        dst=ip_network("10.61.0.0/16"), gw=ip_address("10.60.0.1"),
        mtu=8900, advmss=8860, priority=100, table=500,
    )  # fmt: skip
    settled = routes.settle(routes.plan([asked], FABRIC), IPS, INDEX)
    (route,) = routes.kernel_routes(settled, INDEX)
    assert (route.mtu, route.advmss, route.priority, route.table) == (8900, 8860, 107, 500)


def test_two_rails_never_have_the_same_metric() -> None:
    plan = routes.plan(wanted("10.61.0.0/16"), FABRIC)
    assert [routes.settle(plan, IPS, index)[0].priority for index in (7, 8)] == [107, 108]


def test_source_routing_repeats_the_rails_routes_in_a_table_of_its_own() -> None:
    plan = routes.plan([WantedRoute(dst=FABRIC[1], gw=ip_address("10.60.0.1"))], FABRIC)
    main = routes.kernel_routes(routes.settle(plan, IPS, INDEX), INDEX)
    own = routes.source_routes(ADDRESSES, main, INDEX)
    assert {route.table for route in own} == {routes.SOURCE_TABLE + INDEX}
    assert [route.dst for route in own] == [FABRIC[0], FABRIC[2], FABRIC[1]]
    rules = routes.source_rules(ADDRESSES, INDEX)
    assert [str(rule.source) for rule in rules] == ["10.60.4.210/32", "fd00:60::4d2/128"]


@pytest.mark.parametrize(
    ("other", "shared"),
    [
        ("10.60.9.9/16", True),
        ("10.60.9.9/24", True),
        ("10.61.0.1/16", False),
        ("fd00:60::9/64", True),
    ],
)
def test_shared_subnets(other: str, shared: bool) -> None:  # noqa: FBT001 - a table's column
    assert routes.shares_subnet(ADDRESSES, [ip_interface(other)]) is shared


def test_foreign_routes_are_those_that_nobody_here_made() -> None:
    own = Route(FABRIC[1], INDEX, gateway=ip_address("10.60.0.1"))
    connected = Route(ADDRESSES[0].network, INDEX, protocol=2, scope=253)
    local = Route(ip_network("10.60.4.210/32"), INDEX, table=LOCAL_TABLE, kind=2, protocol=2)
    link_local = Route(ip_network("fe80::/64"), INDEX, protocol=2)
    multicast = Route(ip_network("ff00::/8"), INDEX, table=LOCAL_TABLE, kind=5, protocol=2)
    by_ra = Route(ip_network("::/0"), INDEX, gateway=ip_address("fe80::1"), protocol=9)
    elsewhere = Route(FABRIC[1], INDEX, gateway=ip_address("10.60.0.1"), table=99)
    present = [own, connected, local, link_local, multicast, by_ra, elsewhere]
    assert routes.foreign_routes(present, [own], ADDRESSES) == (by_ra, elsewhere)
    assert routes.missing_routes([connected], [own]) == (own,)
    assert routes.missing_routes(present, [own]) == ()
