"""What a mark does to packets: those of a marked network take another way, until it expires."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_interface, ip_network
from itertools import count

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.marking import Marking
from cni.kernel.netns import NetnsThread
from cni.kernel.types import MAIN_TABLE, KernelError, Network, Route, Rule
from tests.contract.kernel.nftables import IP, IP6, nft_flush, nft_table
from tests.contract.kernel.worlds import LinuxWorld, get

pytestmark = pytest.mark.netns

TABLE, PORT, MARK = "rail-test", 7777, 0x4000_0040
PODS = {4: ip_network("10.42.0.0/24"), 6: ip_network("fd00:42::/64")}
SIZES = frozenset({(4, 24), (4, 30), (6, 64), (6, 128)})
MARKING = Marking(TABLE, MARK, SIZES, frozenset(PODS.values()))
ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}
THERE = {4: "10.42.1.1", 6: "fd00:42:0:1::1"}
MARKED = {4: "10.42.1.0/24", 6: "fd00:42:0:1::/64"}
SMALL = {4: "10.42.1.0/30", 6: "fd00:42:0:1::1/128"}
HOSTS = {4: "10.42.0.1", 6: "fd00:42::1"}
OTHERS = {
    "host": {4: "10.43.0.7", 6: "fd00:43::7"},
    "pod": {4: "10.43.0.8", 6: "fd00:43::8"},
}
"""Addresses that they have as well, and that are in no pod network."""
BESIDE = {4: "10.42.2.0/24", 6: "fd00:42:0:2::/64"}
SO_MARK = 36
_numbers = count()


@dataclass(frozen=True, slots=True)
class Net:
    """What joins the node with another namespace."""

    addresses: dict[int, str]
    table: int = 0
    """That leads the packets there, 0 for the pod's."""


NETS = {
    "pod": Net({4: "10.42.0.{}/24", 6: "fd00:42::{}/64"}),
    "old": Net({4: "192.168.1.{}/24", 6: "fd00:1:1::{}/64"}, MAIN_TABLE),
    "new": Net({4: "192.168.2.{}/24", 6: "fd00:1:2::{}/64"}, 142),
}


@dataclass
class Node:
    """A node with a pod, and two ways to one network: the ends of both have its address."""

    host: Namespace
    sender: NetnsThread
    pod: NetnsThread
    ends: dict[str, NetnsThread]

    def way(
        self, version: int, *, forwarded: bool, source: str = "", mark: int = 0
    ) -> set[str]:  # fmt: skip
        """Send a packet there, from a pod network or a source; return which way it has come."""
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        sender = self.pod if forwarded else self.sender
        source = source or ("" if forwarded else HOSTS[version])
        word = f"packet {next(_numbers)}".encode()
        with ExitStack() as open_ones:
            listeners = {
                name: open_ones.enter_context(end.run(partial(_listen, family)))
                for name, end in self.ends.items()
            }
            sender.run(partial(_send, family, source, THERE[version], word, mark))
            select.select(listeners.values(), [], [], 2)
            time.sleep(0.01)
            return {name for name, one in listeners.items() if _hears(one, word)}


def _listen(family: socket.AddressFamily) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_DGRAM)
    listener.bind(("", PORT))
    listener.settimeout(0)
    return listener


def _send(
    family: socket.AddressFamily, source: str, address: str, word: bytes, mark: int
) -> None:  # fmt: skip
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.bind((source, 0))
        sender.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
        sender.sendto(word, (address, PORT))


def _hears(listener: socket.socket, word: bytes) -> bool:
    try:
        return listener.recv(100) == word
    except BlockingIOError:
        return False


@pytest.fixture
def node(linux: LinuxWorld) -> Iterator[Node]:
    paths = {name: linux.namespace() for name in ("host", "pod", "old", "new")}
    with ExitStack() as stack:
        spaces = {name: stack.enter_context(linux.kernel.open(p)) for name, p in paths.items()}
        threads = {name: stack.enter_context(NetnsThread()) for name in paths}
        for name, thread in threads.items():
            thread.enter(paths[name])
            for group in ("all", "default"):
                spaces[name].set_sysctl(f"ipv4/conf/{group}/rp_filter", "0")
                spaces[name].set_sysctl(f"ipv6/conf/{group}/accept_dad", "0")
        host = spaces["host"]
        host.set_sysctl("ipv4/ip_forward", "1")
        host.set_sysctl("ipv6/conf/all/forwarding", "1")
        for name, net in NETS.items():
            _connect(linux, host, spaces[name], net)
        for version in (4, 6):
            host.add_rule(Rule(ip_network(ANYWHERE[version]), 142, 5000, mark=MARK, mask=MARK))
            for name, others in OTHERS.items():
                lo = get(spaces[name], "lo")
                spaces[name].set_up(lo.index)
                spaces[name].add_address(lo.index, ip_interface(others[version]))
        yield Node(host, threads["host"], threads["pod"], {n: threads[n] for n in ("old", "new")})


def _connect(linux: LinuxWorld, host: Namespace, other: Namespace, net: Net) -> None:
    """Join the host with its pod, or with one of the ends of its ways."""
    near, far = linux.veth(host.path, other.path)
    link, end, lo = get(host, near), get(other, far), get(other, "lo")
    for namespace, one in ((host, link), (other, end), (other, lo)):
        namespace.set_up(one.index)
    assert host.wait_for_carrier(link.index, 2)
    for version, form in net.addresses.items():
        ours, theirs = (ip_interface(form.format(n)) for n in (1, 2))
        host.add_address(link.index, ours)
        other.add_address(end.index, theirs)
        if net.table:
            other.add_address(lo.index, ip_interface(THERE[version]))
            cidr = ip_network(MARKED[version])
            host.add_route(Route(cidr, link.index, theirs.ip, table=net.table))
        else:
            other.add_route(Route(ip_network(ANYWHERE[version]), end.index, ours.ip))


VERSIONS = pytest.mark.parametrize("version", [4, 6])


@VERSIONS
@pytest.mark.parametrize("forwarded", [True, False])
@pytest.mark.parametrize("size", [MARKED, SMALL])
def test_a_marked_networks_packets_take_another_way_until_it_expires(
    node: Node, version: int, *, forwarded: bool, size: dict[int, str]
) -> None:
    cidr: Network = ip_network(size[version])
    assert node.way(version, forwarded=forwarded) == {"old"}
    node.host.set_marking(MARKING)
    assert node.way(version, forwarded=forwarded) == {"old"}

    node.host.mark(TABLE, {cidr: 60, ip_network(BESIDE[version]): 60})
    assert node.way(version, forwarded=forwarded) == {"new"}
    node.host.unmark(TABLE, [cidr])
    assert node.way(version, forwarded=forwarded) == {"old"}

    node.host.mark(TABLE, {cidr: 60})
    node.host.mark(TABLE, {cidr: 1})
    assert node.way(version, forwarded=forwarded) == {"new"}
    time.sleep(1.1)
    assert node.way(version, forwarded=forwarded) == {"old"}


@VERSIONS
@pytest.mark.parametrize("forwarded", [True, False])
def test_only_what_is_from_a_network_of_ours_is_marked(
    node: Node, version: int, *, forwarded: bool
) -> None:
    def way(source: str = "") -> set[str]:
        return node.way(version, forwarded=forwarded, source=source)

    def mark(*sources: Network) -> None:
        node.host.set_marking(replace(MARKING, sources=frozenset(sources)))
        node.host.mark(TABLE, {ip_network(MARKED[version]): 60})

    other = OTHERS["pod" if forwarded else "host"][version]
    mark(*PODS.values())
    assert (way(), way(other)) == ({"new"}, {"old"})
    mark(*PODS.values(), ip_network(other))
    assert (way(), way(other)) == ({"new"}, {"new"})
    mark(ip_network(other))
    assert (way(), way(other)) == ({"old"}, {"new"})
    mark(PODS[10 - version])
    assert (way(), way(other)) == ({"old"}, {"old"})


@VERSIONS
def test_the_other_bits_of_a_mark_stay(node: Node, version: int) -> None:
    rule = Rule(ip_network(ANYWHERE[version]), 142, 5000, mark=MARK, mask=MARK)
    node.host.remove_rule(rule)
    node.host.add_rule(replace(rule, mark=MARK | 0x0800_0001, mask=0xFFFF_FFFF))
    node.host.set_marking(MARKING)
    node.host.mark(TABLE, {ip_network(MARKED[version]): 60})

    assert node.way(version, forwarded=False) == {"old"}
    assert node.way(version, forwarded=False, mark=0x0800_0001) == {"new"}


@pytest.mark.parametrize("chain", ["prerouting", "output"])
def test_each_chain_is_looked_at(linux: LinuxWorld, chain: str) -> None:
    path = linux.namespace()
    with linux.kernel.open(path) as host:
        for family in (IP, IP6):
            host.set_marking(MARKING)
            assert host.has_marking(MARKING)
            linux.nft(path, nft_flush(family, TABLE, chain))
            assert not host.has_marking(MARKING)


def test_a_table_of_the_same_name_of_another_family_is_somebody_elses(linux: LinuxWorld) -> None:
    path = linux.namespace()
    with linux.kernel.open(path) as host:
        linux.nft(path, nft_table(TABLE))
        assert not host.has_marking(MARKING)
        host.set_marking(MARKING)
        host.remove_marking(TABLE)
        host.set_marking(MARKING)
        assert host.has_marking(MARKING)


def test_what_only_the_kernel_may_do_is_refused_in_words(linux: LinuxWorld) -> None:
    with linux.kernel.open(linux.namespace()) as host, pytest.raises(KernelError) as refusal:
        host.mark(TABLE, {ip_network("10.42.1.0/24"): 5, ip_network("10.42.2.0/24"): 5})
    assert "nft add element ip rail-test prefix24 { 10.42.1.0 }, and 1 more" in str(refusal.value)
