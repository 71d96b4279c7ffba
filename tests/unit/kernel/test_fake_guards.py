"""What the fake's guards do to packets, and what is in their way."""

from __future__ import annotations

import errno
from collections.abc import Callable
from ipaddress import ip_address, ip_network

import pytest

from cni.kernel.fake import FakeKernel
from cni.kernel.guarding import Origin
from cni.kernel.types import KernelError, Network

POD = "/run/netns/pod"
TABLE = "rail-test-guard"
PEER = Origin(2, "02:00:00:00:00:01")
STRANGER = Origin(2, "02:00:00:00:00:02")
ELSEWHERE = Origin(3, "02:00:00:00:00:02")
GUARDED: dict[Network, Origin] = {ip_network("10.42.1.0/24"): PEER}
INSIDE, OUTSIDE = ip_address("10.42.1.7"), ip_address("10.42.2.7")


@pytest.fixture
def kernel() -> FakeKernel:
    fake = FakeKernel()
    fake.add_namespace(POD)
    fake.host.guard(TABLE, GUARDED, 4)
    return fake


def test_which_packets_are_let_in(kernel: FakeKernel) -> None:
    assert kernel.lets_in(INSIDE, PEER)
    assert not kernel.lets_in(INSIDE, STRANGER)
    assert kernel.lets_in(INSIDE, ELSEWHERE)
    assert kernel.lets_in(OUTSIDE, STRANGER)
    assert kernel.lets_in(INSIDE, STRANGER, path=POD)

    kernel.advance(4)
    assert kernel.lets_in(INSIDE, STRANGER)


def test_a_kernel_without_nftables(kernel: FakeKernel) -> None:
    kernel.remove_nftables()
    verbs: list[Callable[[], object]] = [
        lambda: kernel.host.guard(TABLE, GUARDED, 4),
        lambda: kernel.host.guard(TABLE, {}, 4),
        lambda: kernel.host.unguard(TABLE),
        lambda: kernel.host.guarded(TABLE),
    ]
    for verb in verbs:
        with pytest.raises(KernelError, match="no nftables") as refusal:
            verb()
        assert refusal.value.errno == errno.EOPNOTSUPP


def test_a_crash_before_a_change_changes_nothing(kernel: FakeKernel) -> None:
    seen: list[str] = []

    def crash(verb: str) -> None:
        seen.append(verb)
        raise SystemExit

    kernel.machine.before_change = crash
    verbs: list[Callable[[], object]] = [
        lambda: kernel.host.guard(TABLE, {ip_network("10.42.2.0/24"): PEER}, 9),
        lambda: kernel.host.guard(TABLE, {}, 9),
        lambda: kernel.host.unguard(TABLE),
    ]
    for verb in verbs:
        with pytest.raises(SystemExit):
            verb()

    assert seen == [f"nft add table {TABLE}"] * 2 + [f"nft delete table {TABLE}"]
    assert kernel.host.guarded(TABLE) == GUARDED
