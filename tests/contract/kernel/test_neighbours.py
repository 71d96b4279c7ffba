"""Neighbours: those that are known, those that answer, and what becomes of forwarded packets."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import Address, Forwarding, KernelError, Link, Neighbour
from tests.contract.kernel.worlds import World, get

MAC, OTHER = "02:00:00:00:01:01", "02:00:00:00:01:02"
OWN, OWN6 = ip_interface("192.168.1.10/24"), ip_interface("fd00:1::10/64")
THERE, THERE6 = ip_address("192.168.1.11"), ip_address("fd00:1::11")
NOBODY, NOBODY6 = ip_address("192.168.1.99"), ip_address("fd00:1::99")
ASKED = {THERE: OWN.ip, THERE6: OWN6.ip}


def test_neighbours_of_both_families(world: World, pod: Namespace, up: Link) -> None:
    world.know(up.name, "10.42.1.0", MAC, pod.path)
    world.know(up.name, "fd00:42:1::", OTHER, pod.path, permanent=False)

    assert set(pod.neighbours(up.index)) == {
        Neighbour(ip_address("10.42.1.0"), MAC, permanent=True),
        Neighbour(ip_address("fd00:42:1::"), OTHER, permanent=False),
    }


def test_only_the_neighbours_of_one_link(
    world: World, pod: Namespace, pair: tuple[Link, Link], up: Link
) -> None:
    world.know(up.name, "10.42.1.0", MAC, pod.path)

    assert list(pod.neighbours(pair[1].index)) == []
    assert list(pod.neighbours(9999)) == []


def test_where_a_tunnel_leads(world: World, pod: Namespace) -> None:
    tunnel, other = get(pod, world.tunnel(pod.path)), get(pod, world.bridge(pod.path))
    assert tunnel.kind == "vxlan"
    world.lead(tunnel.name, MAC, "192.168.1.11", pod.path)
    world.lead(tunnel.name, OTHER, "192.168.1.12", pod.path)

    assert set(pod.forwarding(tunnel.index)) == {
        Forwarding(MAC, ip_address("192.168.1.11")),
        Forwarding(OTHER, ip_address("192.168.1.12")),
    }
    assert list(pod.forwarding(other.index)) == []
    assert list(pod.forwarding(9999)) == []


@pytest.mark.parametrize("local", ["", "192.168.1.10", "fd00:1::10"])
def test_which_address_a_tunnel_is_bound_to(world: World, pod: Namespace, local: str) -> None:
    tunnel, other = get(pod, world.tunnel(pod.path, local)), get(pod, world.bridge(pod.path))
    assert tunnel.local == (ip_address(local) if local else None)
    assert other.local is None


@pytest.fixture
def there(world: World, pod: Namespace) -> Iterator[tuple[Link, Namespace, Link]]:
    """A link with addresses, and the other end, in another namespace, with neighbours'."""
    path = world.namespace()
    name, peer = world.veth(pod.path, path)
    with world.kernel.open(path) as other:
        link, end = get(pod, name), get(other, peer)
        for namespace, one in ((pod, link), (other, end)):
            namespace.set_up(one.index)
        assert pod.wait_for_carrier(link.index, 2)
        for address in (OWN, OWN6):
            pod.add_address(link.index, address)
        for neighbour in ("192.168.1.11/24", "fd00:1::11/64"):
            other.add_address(end.index, ip_interface(neighbour))
        yield link, other, end


def test_who_is_there_answers_at_once(pod: Namespace, there: tuple[Link, Namespace, Link]) -> None:
    link, _, end = there
    begun = time.monotonic()

    assert pod.solicit(link.index, ASKED, 5) == {THERE: end.mac, THERE6: end.mac}
    assert time.monotonic() - begun < 2


def test_who_is_not_there_takes_its_time_and_no_more(
    pod: Namespace, there: tuple[Link, Namespace, Link]
) -> None:
    link, _, end = there
    asked: dict[Address, Address] = {**ASKED, NOBODY: OWN.ip, NOBODY6: OWN6.ip}
    begun = time.monotonic()

    assert pod.solicit(link.index, asked, 0.3) == {THERE: end.mac, THERE6: end.mac}
    assert time.monotonic() - begun < 2


def test_who_has_gone_answers_no_more(pod: Namespace, there: tuple[Link, Namespace, Link]) -> None:
    link, other, end = there
    assert pod.solicit(link.index, {THERE: OWN.ip}, 2)
    other.set_down(end.index)

    assert pod.solicit(link.index, {THERE: OWN.ip}, 0.2) == {}


def test_nobody_to_ask(pod: Namespace, there: tuple[Link, Namespace, Link]) -> None:
    assert pod.solicit(there[0].index, {}, 5) == {}


def test_links_that_cannot_be_asked_on(pod: Namespace, link: Link) -> None:
    for index, number in ((9999, errno.ENODEV), (link.index, errno.ENETDOWN)):
        with pytest.raises(KernelError) as refusal:
            pod.solicit(index, {THERE: OWN.ip}, 0.1)
        assert refusal.value.errno == number


def test_chains_that_drop_what_is_forwarded(world: World, pod: Namespace) -> None:
    assert list(pod.drops_forwarded()) == []
    chain = world.drop_forwarded(pod.path)

    assert list(pod.drops_forwarded()) == [chain]


@pytest.mark.parametrize("version", [4, 6])
def test_the_older_iptables_is_seen_as_well(world: World, pod: Namespace, version: int) -> None:
    assert list(pod.drops_forwarded()) == []
    both = [world.drop_forwarded(pod.path), world.drop_forwarded_by_iptables(pod.path, version)]

    assert list(pod.drops_forwarded()) == both
