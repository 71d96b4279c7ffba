"""UDP between the addresses of a namespace."""

from __future__ import annotations

import errno
import select
from collections.abc import Iterator
from contextlib import closing, suppress
from ipaddress import ip_address, ip_interface

import pytest

from cni.kernel.datagrams import Datagram, Datagrams
from cni.kernel.interface import Namespace
from cni.kernel.types import Address, KernelError, Link
from tests.contract.kernel.worlds import World, eventually, refuses

PORT = 9754
PAIRS = [("10.60.0.2/24", "10.60.0.3/24"), ("fd00:60::2/64", "fd00:60::3/64")]


@pytest.fixture(params=PAIRS)
def ends(
    request: pytest.FixtureRequest, pod: Namespace, up: Link
) -> Iterator[tuple[Address, Address, Datagrams, Datagrams]]:
    """Two sockets of one namespace, and their addresses."""
    lo = pod.find("lo")
    assert lo
    pod.set_up(lo.index)
    one, other = map(ip_interface, request.param)
    for address in (one, other):
        pod.add_address(up.index, address)
    with (
        closing(pod.datagrams(one.ip, PORT)) as first,
        closing(pod.datagrams(other.ip, PORT)) as second,
    ):
        _wait_until_it_passes(first, other.ip, second)
        yield one.ip, other.ip, first, second


def _wait_until_it_passes(first: Datagrams, target: Address, second: Datagrams) -> None:
    """An IPv6 address takes a moment in which nothing comes to it."""

    def passes() -> bool:
        with suppress(KernelError):
            first.send(b"", target, PORT)
        return bool(second.receive())

    eventually(passes)
    while select.select([second], [], [], 0.05)[0]:
        second.receive()


def drop(_: Datagrams) -> None:
    pytest.fail("it was opened")


def is_readable(opened: Datagrams) -> bool:
    return bool(select.select([opened], [], [], 0)[0])


def test_what_is_sent_comes(ends: tuple[Address, Address, Datagrams, Datagrams]) -> None:
    one, other, first, second = ends
    assert not is_readable(second)
    assert second.receive() == []
    first.send(b"one", other, PORT)
    first.send(b"two", other, PORT)
    come: list[Datagram] = []
    while len(come) < 2:
        assert select.select([second], [], [], 5)[0]
        come += second.receive()
    assert come == [Datagram(b"one", one, PORT), Datagram(b"two", one, PORT)]
    assert not is_readable(second)
    second.send(b"back", one, PORT)
    assert select.select([first], [], [], 5)[0]
    assert list(first.receive()) == [Datagram(b"back", other, PORT)]


def test_a_port_that_nobody_has_is_answered(
    ends: tuple[Address, Address, Datagrams, Datagrams], pod: Namespace
) -> None:
    one, other, _, second = ends
    with closing(pod.datagrams(one, 0)) as asking, closing(pod.datagrams(one, 0)) as another:
        asking.send(b"one", other, PORT)
        another.send(b"two", other, PORT)
        come: list[Datagram] = []
        while len(come) < 2:
            assert select.select([second], [], [], 5)[0]
            come += second.receive()
        assert len({PORT, *(each.port for each in come)}) == 3
        for each in come:
            second.send(each.data, each.source, each.port)
        for socket, data in ((asking, b"one"), (another, b"two")):
            assert select.select([socket], [], [], 5)[0]
            assert list(socket.receive()) == [Datagram(data, other, PORT)]


def test_answers_of_many_may_come_at_once(
    ends: tuple[Address, Address, Datagrams, Datagrams],
) -> None:
    _, other, first, second = ends
    for number in range(1000):
        first.send(number.to_bytes(384), other, PORT)
    come: list[Datagram] = []
    while some := second.receive():
        come += some
    assert [int.from_bytes(each.data) for each in come] == list(range(1000))


def test_what_is_too_long_is_not_taken_apart(
    ends: tuple[Address, Address, Datagrams, Datagrams],
) -> None:
    _, other, first, second = ends
    refuses(errno.EMSGSIZE, lambda: first.send(bytes(65530), other, PORT))
    assert not is_readable(second)


def test_what_is_for_others_has_to_fit_the_device(
    ends: tuple[Address, Address, Datagrams, Datagrams],
) -> None:
    one, _, first, second = ends
    neighbour = one + 5
    first.send(b"one", neighbour, PORT)
    headers = 28 if one.version == 4 else 48
    first.send(bytes(1500 - headers), neighbour, PORT)
    refuses(errno.EMSGSIZE, lambda: first.send(bytes(1501 - headers), neighbour, PORT))
    assert not is_readable(second)


def test_what_no_route_leads_to(ends: tuple[Address, Address, Datagrams, Datagrams]) -> None:
    one, _, first, _ = ends
    nowhere = ip_address("198.51.100.1" if one.version == 4 else "2001:db8::1")
    refuses(errno.ENETUNREACH, lambda: first.send(b"one", nowhere, PORT))


def test_an_address_that_is_not_ours_or_taken(
    pod: Namespace, ends: tuple[Address, Address, Datagrams, Datagrams]
) -> None:
    one, *_ = ends
    refuses(errno.EADDRNOTAVAIL, lambda: drop(pod.datagrams(ip_address("10.99.0.1"), PORT)))
    refuses(errno.EADDRINUSE, lambda: drop(pod.datagrams(one, PORT)))


def test_nothing_comes_to_a_closed_socket(
    ends: tuple[Address, Address, Datagrams, Datagrams],
) -> None:
    _, other, first, second = ends
    first.send(b"late", other, PORT)
    second.close()
    assert list(second.receive()) == []


def test_a_closed_socket_leaves_its_port(world: World, pod: Namespace, up: Link) -> None:
    address = ip_interface("10.60.0.2/24")
    pod.add_address(up.index, address)
    pod.datagrams(address.ip, PORT).close()
    pod.datagrams(address.ip, PORT).close()
    with world.kernel.open(pod.path) as same:
        same.datagrams(address.ip, PORT).close()
