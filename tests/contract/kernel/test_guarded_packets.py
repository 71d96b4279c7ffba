"""What a guard does to packets: who sends them decides, of one link, until it expires."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address, ip_interface, ip_network
from itertools import count

import pytest

from cni.kernel import frames
from cni.kernel.guarding import Origin
from cni.kernel.interface import Namespace
from cni.kernel.netns import NetnsThread
from cni.kernel.types import Link, Network
from tests.contract.kernel.nftables import nft_table
from tests.contract.kernel.worlds import LinuxWorld, eventually, get

pytestmark = pytest.mark.netns

TABLE, PORT = "rail-test-guard", 7777
PEER, STRANGER = "02:00:00:00:00:01", "02:00:00:00:00:02"
SOURCE = {4: "10.42.1.7", 6: "fd00:42:0:1::7"}
BESIDE = {4: "10.42.2.7", 6: "fd00:42:0:2::7"}
WIDE = {4: "10.42.1.0/24", 6: "fd00:42:0:1::/64"}
WIDE_BESIDE = {4: "10.42.2.0/24", 6: "fd00:42:0:2::/64"}
NARROW = {4: "10.42.1.7/32", 6: "fd00:42:0:1::7/128"}
ODD = {4: "10.42.1.6/31", 6: "fd00:42::/63"}
HERE = {4: "192.168.1.1/24", 6: "fd00:1::1/64"}
ETHER_TYPES = {4: 0x0800, 6: 0x86DD}
VERSIONS = pytest.mark.parametrize("version", [4, 6])
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW, ODD])
_numbers = count()


@dataclass
class Node:
    """A node with an uplink and an overlay, to whose other ends anybody may send anything."""

    host: Namespace
    links: dict[str, Link]
    receiver: NetnsThread
    sender: NetnsThread
    ends: dict[str, str]
    """The names of the other ends."""

    def lets_in(self, version: int, mac: str, source: str = "", by: str = "uplink") -> bool:
        """Send a packet to the node; return whether a program there gets it."""
        word = f"packet {next(_numbers):07}".encode()
        packet = _packet(version, source or SOURCE[version], word)
        header = frames.octets(self.links[by].mac) + frames.octets(mac)
        frame = header + struct.pack("!H", ETHER_TYPES[version]) + packet
        with closing(self.receiver.run(partial(_listen, version))) as listener:
            self.sender.run(partial(_send, self.ends[by], frame))
            try:
                return listener.recv(100) == word
            except TimeoutError:
                return False

    def guard(self, network: str, mac: str, seconds: float = 60) -> None:
        """Guard a network on the uplink."""
        cidr: Network = ip_network(network)
        self.host.guard(TABLE, {cidr: Origin(self.links["uplink"].index, mac)}, seconds)


def _listen(version: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    listener.bind(("", PORT))
    listener.settimeout(0.3)
    return listener


def _send(name: str, frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((name, 0))
        sender.send(frame)


def _packet(version: int, source: str, word: bytes) -> bytes:
    """Return a UDP packet to the node, whose checksums are right; the word is even in length."""
    ends = ip_address(source).packed + ip_interface(HERE[version]).ip.packed
    length = 8 + len(word)
    pseudo = ends + struct.pack("!HH", length, socket.IPPROTO_UDP)
    datagram = struct.pack("!HHHH", PORT, PORT, length, 0) + word
    checked = frames.checksum(pseudo + datagram)
    datagram = struct.pack("!HHHH", PORT, PORT, length, checked) + word
    if version == 6:
        return struct.pack("!IHBB", 6 << 28, length, socket.IPPROTO_UDP, 64) + ends + datagram
    form, fields = "!BBHHHBBH", [0x45, 0, 20 + length, 1, 0, 64, socket.IPPROTO_UDP, 0]
    fields[-1] = frames.checksum(struct.pack(form, *fields) + ends)
    return struct.pack(form, *fields) + ends + datagram


@pytest.fixture
def node(linux: LinuxWorld) -> Iterator[Node]:
    path, beyond = linux.namespace(), linux.namespace()
    with ExitStack() as stack:
        host, other = (stack.enter_context(linux.kernel.open(p)) for p in (path, beyond))
        receiver, sender = (stack.enter_context(NetnsThread()) for _ in range(2))
        receiver.enter(path)
        sender.enter(beyond)
        for group in ("all", "default"):
            host.set_sysctl(f"ipv4/conf/{group}/rp_filter", "0")
            host.set_sysctl(f"ipv6/conf/{group}/accept_dad", "0")
        links, ends = {}, {}
        for by in ("uplink", "overlay"):
            near, ends[by] = linux.veth(path, beyond)
            links[by] = get(host, near)
            host.set_up(links[by].index)
            other.set_up(get(other, ends[by]).index)
            assert host.wait_for_carrier(links[by].index, 2)
        for version in (4, 6):
            host.add_address(links["uplink"].index, ip_interface(HERE[version]))
        made = Node(host, links, receiver, sender, ends)
        for version in (4, 6):
            # An IPv6 address takes a moment in which nothing comes to it.
            eventually(partial(made.lets_in, version, PEER))
        yield made


@VERSIONS
@SIZES
def test_only_one_mac_may_use_a_guarded_network(
    node: Node, version: int, size: dict[int, str]
) -> None:
    assert node.lets_in(version, STRANGER)

    node.guard(size[version], PEER)
    assert node.lets_in(version, PEER)
    assert not node.lets_in(version, STRANGER)

    node.guard(size[version], STRANGER)
    assert node.lets_in(version, STRANGER)
    assert not node.lets_in(version, PEER)

    node.host.unguard(TABLE)
    assert node.lets_in(version, PEER)


@VERSIONS
def test_other_networks_and_other_links_are_not_concerned(node: Node, version: int) -> None:
    node.guard(WIDE[version], PEER)

    assert not node.lets_in(version, STRANGER)
    assert node.lets_in(version, STRANGER, BESIDE[version])
    assert node.lets_in(version, STRANGER, by="overlay")


@VERSIONS
@SIZES
def test_a_guard_that_has_expired_lets_everybody_in(
    node: Node, version: int, size: dict[int, str]
) -> None:
    node.guard(size[version], PEER, 1.0)
    assert not node.lets_in(version, STRANGER)

    time.sleep(1.0)
    assert node.lets_in(version, STRANGER)
    assert node.lets_in(version, PEER)


@VERSIONS
def test_at_no_moment_of_its_expiry_the_peer_is_kept_out(node: Node, version: int) -> None:
    node.guard(WIDE[version], PEER, 0.3)
    until = time.monotonic() + 0.6
    while time.monotonic() < until:
        assert node.lets_in(version, PEER)


@VERSIONS
def test_networks_of_one_length_have_a_mac_each(node: Node, version: int) -> None:
    index = node.links["uplink"].index
    both: dict[Network, Origin] = {
        ip_network(WIDE[version]): Origin(index, PEER),
        ip_network(WIDE_BESIDE[version]): Origin(index, STRANGER),
        ip_network(NARROW[version]): Origin(node.links["overlay"].index, STRANGER),
    }
    node.host.guard(TABLE, both, 60)

    assert [node.lets_in(version, mac) for mac in (PEER, STRANGER)] == [True, False]
    found = [node.lets_in(version, mac, BESIDE[version]) for mac in (PEER, STRANGER)]
    assert found == [False, True]
    found = [node.lets_in(version, mac, by="overlay") for mac in (PEER, STRANGER)]
    assert found == [False, True]


def test_a_table_of_the_same_name_of_another_family_is_somebody_elses(linux: LinuxWorld) -> None:
    path = linux.namespace()
    with linux.kernel.open(path) as host:
        linux.nft(path, nft_table(TABLE))
        assert host.guarded(TABLE) == {}
        guarded: dict[Network, Origin] = {ip_network(WIDE[4]): Origin(3, PEER)}
        host.guard(TABLE, guarded, 60)
        assert host.guarded(TABLE) == guarded
        host.unguard(TABLE)
        assert host.guarded(TABLE) == {}
