"""What the fake's marks do to packets, and what somebody else does to them."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from cni.kernel.fake import FakeKernel
from cni.kernel.marking import Marking
from cni.kernel.types import KernelError

POD = "/run/netns/pod"
OWN = ip_address("10.42.0.7")


@pytest.fixture
def kernel() -> FakeKernel:
    fake = FakeKernel()
    fake.add_namespace(POD)
    return fake


@pytest.fixture
def marking(kernel: FakeKernel) -> Marking:
    sources = frozenset({ip_network("10.42.0.0/24")})
    marking = Marking("rail-test", 0x40, frozenset({(4, 24), (6, 64)}), sources)
    kernel.host.set_marking(marking)
    kernel.host.mark("rail-test", {ip_network("10.42.1.0/24"): 4})
    return marking


def test_which_packets_are_marked(kernel: FakeKernel, marking: Marking) -> None:
    kernel.host.set_marking(replace(marking, table="rail-other", mark=0x80))
    inside, outside = ip_address("10.42.1.7"), ip_address("10.42.2.7")
    assert (kernel.mark_of(OWN, inside), kernel.mark_of(OWN, outside)) == (0x40, 0)
    assert kernel.mark_of(OWN, inside, path=POD) == 0
    assert kernel.mark_of(ip_address("192.168.1.10"), inside) == 0
    kernel.host.mark("rail-other", {ip_network("10.42.1.0/24"): 9})
    assert kernel.mark_of(OWN, inside) == 0xC0

    kernel.advance(4)
    assert kernel.mark_of(OWN, inside) == 0x80
    kernel.flush_table("rail-other")
    assert kernel.mark_of(OWN, inside) == 0


def test_a_table_that_somebody_deleted(kernel: FakeKernel, marking: Marking) -> None:
    kernel.delete_table("rail-test")

    assert not kernel.host.has_marking(marking)
    assert kernel.mark_of(OWN, ip_address("10.42.1.7")) == 0


def test_a_kernel_without_nftables(kernel: FakeKernel, marking: Marking) -> None:
    kernel.drop_forwarded("inet filter forward")
    kernel.remove_nftables()
    some = ip_network("10.42.1.0/24")
    verbs: list[Callable[[], object]] = [
        lambda: kernel.host.has_marking(marking),
        lambda: kernel.host.set_marking(marking),
        lambda: kernel.host.remove_marking("rail-test"),
        lambda: kernel.host.marked("rail-test"),
        lambda: kernel.host.mark("rail-test", {some: 4}),
        lambda: kernel.host.unmark("rail-test", [some]),
    ]
    for verb in verbs:
        with pytest.raises(KernelError, match="no nftables") as refusal:
            verb()
        assert refusal.value.errno == errno.EOPNOTSUPP
    assert list(kernel.host.drops_forwarded()) == []


def test_a_crash_before_a_mark_marks_nothing(kernel: FakeKernel, marking: Marking) -> None:
    seen: list[str] = []

    def crash(verb: str) -> None:
        seen.append(verb)
        raise SystemExit

    kernel.machine.before_change = crash
    some, other = ip_network("10.42.1.0/24"), ip_network("10.42.2.0/24")
    verbs: list[Callable[[], object]] = [
        lambda: kernel.host.set_marking(marking),
        lambda: kernel.host.remove_marking("rail-test"),
        lambda: kernel.host.mark("rail-test", {other: 4, some: 9}),
        lambda: kernel.host.unmark("rail-test", [some]),
    ]
    for verb in verbs:
        with pytest.raises(SystemExit):
            verb()

    assert seen == [
        "nft add table rail-test",
        "nft delete table rail-test",
        "nft add element ip rail-test prefix24 { 10.42.2.0 }, and 1 more",
        "nft delete element ip rail-test prefix24 { 10.42.1.0 }",
    ]
    assert kernel.host.marked("rail-test") == {some: 4}
