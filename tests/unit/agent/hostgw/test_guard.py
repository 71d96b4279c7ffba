"""Which peers' networks are guarded, and what becomes of it on a node in memory."""

from __future__ import annotations

import logging
from ipaddress import ip_address, ip_network

import pytest

from cni.agent.hostgw.guard import LASTING, Guard, origins
from cni.hostgw.decision import GUARDS
from cni.hostgw.peers import Overlay, Peer
from cni.hostgw.terrain import Candidate
from cni.kernel.fake import FakeKernel
from cni.kernel.guarding import Origin
from cni.kernel.types import Link

PEER, PEER6, OTHER = (
    ip_network(text) for text in ("10.42.1.0/24", "fd00:42:0:1::/64", "10.42.2.0/24")
)
NODE, NODE6, THIRD = (ip_address(text) for text in ("192.168.1.11", "fd00:1::11", "192.168.1.12"))
MAC, NEW, STRANGER = "02:00:00:00:00:11", "02:00:00:00:00:22", "02:00:00:00:00:99"
POD = ip_address("10.42.1.7")


def candidate(link: Link, cidr: str = str(PEER), node: str = str(NODE)) -> Candidate:
    peer = Peer(ip_network(cidr), ip_address(node), Overlay(9, "flannel.1", 1450, ()))
    return Candidate(peer, link, ip_address("192.168.1.10"))


@pytest.fixture
def kernel() -> FakeKernel:
    fake = FakeKernel()
    for name in ("wlan0", "eth0", "flannel.1"):
        fake.add_bridge(name)
    fake.add_neighbour("wlan0", NODE, MAC, permanent=False)
    return fake


def link(kernel: FakeKernel, name: str = "wlan0") -> Link:
    found = kernel.host.find(name)
    assert found
    return found


def is_let_in(kernel: FakeKernel, mac: str, name: str = "wlan0") -> bool:
    return kernel.lets_in(POD, Origin(link(kernel, name).index, mac))


def test_whose_networks_are_guarded(kernel: FakeKernel) -> None:
    wlan, eth = link(kernel), link(kernel, "eth0")
    peers = [
        candidate(wlan),
        candidate(wlan, str(PEER6), str(NODE6)),
        candidate(eth, str(OTHER), str(THIRD)),
        candidate(wlan, "10.42.7.0/24", "192.168.1.17"),
    ]
    macs = {
        (wlan.index, NODE): MAC,
        (wlan.index, NODE6): NEW,
        (eth.index, NODE): STRANGER,
        (wlan.index, THIRD): STRANGER,
        (wlan.index, ip_address("192.168.1.17")): "00:00:00:00",
    }

    assert origins(peers, macs) == {PEER: Origin(wlan.index, MAC), PEER6: Origin(wlan.index, NEW)}
    assert origins([], macs) == {}


def test_nothing_is_guarded_unless_it_is_wanted(kernel: FakeKernel) -> None:
    guard = Guard(kernel.host, is_wanted=False)
    guard.renew([candidate(link(kernel))])

    assert kernel.host.guarded(GUARDS) == {}
    assert is_let_in(kernel, STRANGER)


def test_only_the_peers_mac_is_let_in_and_only_on_the_uplink(kernel: FakeKernel) -> None:
    guard = Guard(kernel.host, is_wanted=True)
    guard.renew([candidate(link(kernel)), candidate(link(kernel), str(OTHER), str(THIRD))])

    assert kernel.host.guarded(GUARDS) == {PEER: Origin(link(kernel).index, MAC)}
    assert is_let_in(kernel, MAC)
    assert not is_let_in(kernel, STRANGER)
    assert is_let_in(kernel, STRANGER, "flannel.1")

    guard.withdraw()
    assert is_let_in(kernel, STRANGER)


def test_who_is_not_wanted_any_more_is_not_guarded(kernel: FakeKernel) -> None:
    guard = Guard(kernel.host, is_wanted=True)
    guard.renew([candidate(link(kernel))])
    guard.renew([])

    assert kernel.host.guarded(GUARDS) == {}


def test_a_new_mac_counts_from_the_next_look_on_and_is_told(
    kernel: FakeKernel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    guard = Guard(kernel.host, is_wanted=True)
    for _ in range(2):
        guard.renew([candidate(link(kernel))])
    assert caplog.messages == [f"{PEER} comes from {MAC} alone"]

    kernel.remove_neighbour("wlan0", NODE)
    kernel.add_neighbour("wlan0", NODE, NEW, permanent=False)
    guard.renew([candidate(link(kernel))])
    assert [is_let_in(kernel, mac) for mac in (NEW, MAC)] == [True, False]
    assert caplog.messages[1:] == [f"{PEER} comes from {NEW} now, and no more from {MAC}"]


def test_it_expires_unless_it_is_renewed(kernel: FakeKernel) -> None:
    guard = Guard(kernel.host, is_wanted=True)
    for _ in range(3):
        guard.renew([candidate(link(kernel))])
        kernel.advance(LASTING - 1)
        assert not is_let_in(kernel, STRANGER)
    kernel.advance(1)
    assert is_let_in(kernel, STRANGER)


def test_a_kernel_without_nftables_guards_nothing_and_says_so_once(
    kernel: FakeKernel, caplog: pytest.LogCaptureFixture
) -> None:
    kernel.remove_nftables()
    guard = Guard(kernel.host, is_wanted=True)
    for _ in range(2):
        guard.renew([candidate(link(kernel))])
    guard.withdraw()

    assert "the kernel has no nftables" in guard.problem
    assert caplog.messages == [guard.problem]


def test_what_was_refused_is_tried_again(kernel: FakeKernel) -> None:
    guard = Guard(kernel.host, is_wanted=True)
    kernel.machine.nftables = False
    guard.renew([candidate(link(kernel))])
    assert guard.problem

    kernel.machine.nftables = True
    guard.renew([candidate(link(kernel))])
    assert not guard.problem
    assert not is_let_in(kernel, STRANGER)
