"""Routes that no test can make a kernel have."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address, ip_network

import pytest

from cni.kernel import netlink, route_messages

DST, OIF, GATEWAY, MULTIPATH, TABLE, VIA = 1, 4, 5, 9, 15, 18
CLONED = 0x200
MPLS = 28


def body(family: int, length: int, flags: int = 0, **stated: bytes) -> bytes:
    """Return RTM_NEWROUTE of a unicast route in the main table."""
    kinds = {"dst": DST, "oif": OIF, "gateway": GATEWAY, "multipath": MULTIPATH, "table": TABLE}
    head = struct.pack("=8BI", family, length, 0, 0, 254, 4, 0, 1, flags)
    return head + b"".join(netlink.attribute(kinds[name], value) for name, value in stated.items())


def number(value: int) -> bytes:
    return struct.pack("=I", value)


@pytest.mark.parametrize(("flags", "shown"), [(0, 1), (CLONED, 0)])
def test_a_cached_clone_is_no_route(flags: int, shown: int) -> None:
    dst = ip_address("fd00:61::").packed
    read = list(route_messages.routes(body(socket.AF_INET6, 64, flags, dst=dst, oif=number(7))))
    assert [(route.dst, route.index) for route in read] == [(ip_network("fd00:61::/64"), 7)] * shown


def test_a_default_route_states_no_destination() -> None:
    for family, expected in ((socket.AF_INET, "0.0.0.0/0"), (socket.AF_INET6, "::/0")):
        (route,) = route_messages.routes(body(family, 0, oif=number(7), table=number(1000)))
        assert (str(route.dst), route.table) == (expected, 1000)


def test_each_nexthop_is_a_route() -> None:
    def nexthop(index: int, gateway: str) -> bytes:
        own = netlink.attribute(GATEWAY, ip_address(gateway).packed)
        return struct.pack("=HBBi", 8 + len(own), 0, 0, index) + own

    hops = nexthop(7, "10.60.0.1") + nexthop(8, "10.61.0.1")
    dst = ip_address("10.62.0.0").packed
    read = list(route_messages.routes(body(socket.AF_INET, 16, dst=dst, multipath=hops)))
    assert [(route.index, str(route.gateway)) for route in read] == [
        (7, "10.60.0.1"), (8, "10.61.0.1"),
    ]  # fmt: skip


def test_other_families_have_no_routes_for_us() -> None:
    assert list(route_messages.routes(body(MPLS, 20, dst=number(5), oif=number(7)))) == []
