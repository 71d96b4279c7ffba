"""Addresses, and the routes that the kernel makes of them."""

from __future__ import annotations

import errno
from ipaddress import ip_interface, ip_network

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import LOCAL_TABLE, MAIN_TABLE, Interface, Link
from tests.contract.kernel.worlds import eventually, refuses

V4 = ip_interface("10.60.0.2/16")
V6 = ip_interface("fd00:60::2/64")
UNICAST, LOCAL, BROADCAST, MULTICAST = 1, 2, 3, 5


def own(pod: Namespace, link: Link) -> set[Interface]:
    return {address for address in pod.addresses(link.index) if not address.is_link_local}


def made(pod: Namespace, link: Link) -> set[tuple[str, int, int, int]]:
    """Return the kernel's own routes, but for those to link-local addresses."""
    return {
        (str(route.dst), route.table, route.kind, route.priority)
        for route in pod.routes(link.index)
        if route.protocol == 2 and not route.dst.is_link_local
    }


def shows(pod: Namespace, link: Link, routes: set[tuple[str, int, int, int]]) -> None:
    """Wait for exactly these: the kernel makes IPv6's local routes a moment later."""
    eventually(lambda: made(pod, link) == routes)


IPV4_LOCAL = ("10.60.0.2/32", LOCAL_TABLE, LOCAL, 0)
IPV6_LOCAL = ("fd00:60::2/128", LOCAL_TABLE, LOCAL, 0)
WHILE_UP = {
    ("10.60.0.0/16", MAIN_TABLE, UNICAST, 0),
    ("10.60.255.255/32", LOCAL_TABLE, BROADCAST, 0),
    ("fd00:60::/64", MAIN_TABLE, UNICAST, 256),
}
WITH_CARRIER = {("ff00::/8", LOCAL_TABLE, MULTICAST, 256)}


def test_a_link_that_is_down_has_none(pod: Namespace, link: Link) -> None:
    assert list(pod.addresses(link.index)) == list(pod.routes(link.index)) == []


def test_up_ipv6_gives_itself_an_address(pod: Namespace, up: Link) -> None:
    (address,) = pod.addresses(up.index)

    assert address.is_link_local
    assert any(route.dst == ip_network("fe80::/64") for route in pod.routes(up.index))


def test_addresses_of_both_families(pod: Namespace, up: Link) -> None:
    for address in (V4, V6):
        pod.add_address(up.index, address)

    assert own(pod, up) == {V4, V6}
    shows(pod, up, WITH_CARRIER | WHILE_UP | {IPV4_LOCAL, IPV6_LOCAL})


def test_before_up_there_are_only_the_local_routes(pod: Namespace, link: Link) -> None:
    for address in (V4, V6):
        pod.add_address(link.index, address)
    shows(pod, link, {IPV4_LOCAL, IPV6_LOCAL})

    pod.set_up(link.index)
    shows(pod, link, WHILE_UP | {IPV4_LOCAL, IPV6_LOCAL})


def test_down_takes_the_routes_and_the_ipv6_addresses(pod: Namespace, up: Link) -> None:
    for address in (V4, V6):
        pod.add_address(up.index, address)

    pod.set_down(up.index)

    assert list(pod.addresses(up.index)) == [V4]
    shows(pod, up, {IPV4_LOCAL})


def test_a_second_address_of_a_subnet_is_secondary(pod: Namespace, up: Link) -> None:
    second = ip_interface("10.60.0.3/16")
    for address in (V4, second):
        pod.add_address(up.index, address)

    assert own(pod, up) == {V4, second}
    assert {route.source for route in pod.routes(up.index) if route.source} == {V4.ip}


@pytest.mark.parametrize(
    ("address", "routes"),
    [
        ("10.60.0.2/32", {("10.60.0.2/32", LOCAL_TABLE, LOCAL, 0)}),
        (
            "10.60.0.2/31",
            {
                ("10.60.0.2/32", LOCAL_TABLE, LOCAL, 0),
                ("10.60.0.2/31", MAIN_TABLE, UNICAST, 0),
            },
        ),
        (
            "fd00:60::2/128",
            {
                ("fd00:60::2/128", LOCAL_TABLE, LOCAL, 0),
                ("fd00:60::2/128", MAIN_TABLE, UNICAST, 256),
            },
        ),
    ],
)
def test_the_smallest_subnets(
    pod: Namespace, up: Link, address: str, routes: set[tuple[str, int, int, int]]
) -> None:
    before = made(pod, up)
    pod.add_address(up.index, ip_interface(address))

    shows(pod, up, before | routes)


@pytest.mark.parametrize("address", [V4, V6])
def test_an_address_twice(pod: Namespace, link: Link, address: Interface) -> None:
    pod.add_address(link.index, address)

    refuses(errno.EEXIST, lambda: pod.add_address(link.index, address))


@pytest.mark.parametrize("address", [V4, V6])
def test_an_address_of_a_link_that_is_not_there(pod: Namespace, address: Interface) -> None:
    refuses(errno.ENODEV, lambda: pod.add_address(9999, address))
    assert list(pod.addresses(9999)) == []


def test_an_ipv6_group_is_no_address(pod: Namespace, link: Link) -> None:
    group = ip_interface("ff02::1234/64")

    refuses(errno.EADDRNOTAVAIL, lambda: pod.add_address(link.index, group))


def test_an_address_on_a_link_without_ipv6(pod: Namespace, up: Link) -> None:
    pod.add_address(up.index, V6)
    pod.set_sysctl(f"ipv6/conf/{up.name}/disable_ipv6", "1")

    assert list(pod.addresses(up.index)) == []
    refuses(errno.EACCES, lambda: pod.add_address(up.index, V6))
