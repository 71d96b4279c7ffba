"""Long packets on rails: which addresses are tried, which sizes, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.kernel.fake import FakeKernel
from cni.kernel.types import Address, Route
from install.doctor.findings import Finding, Severity
from install.doctor.path.facts import Outcome, Pod, Probe, Rail
from install.doctor.path.gathering import Claimed, PathError, addresses_of, of_records, pod
from install.doctor.path.plan import probes, strangers
from install.doctor.path.sizes import AT_ONCE, between, narrowed
from install.doctor.path.verdict import judge
from tests.unit.doctor.rails_world import World

SMALL, FULL = 84, 9000


def rail(ifname: str, *addresses: str, name: str = "", fabric: str = "", mtu: int = 9000) -> Rail:
    return Rail(ifname, [ip_interface(a) for a in addresses], mtu, name=name, fabric=fabric)


def addresses(*texts: str) -> list[Address]:
    return [ip_address(text) for text in texts]


def ways(rails: Sequence[Rail], *peer: str) -> list[tuple[str, str]]:
    return [(one.rail.ifname, str(one.target)) for one in probes(rails, addresses(*peer))]


A, B = rail("net1", "10.60.4.210/16"), rail("net2", "10.61.4.210/16")
STO = rail("net3", "10.70.0.7/16")


def test_one_address_tells_the_peers_on_all_rails_of_the_fabric() -> None:
    assert ways([A, B, STO], "10.61.0.5") == [("net1", "10.60.0.5"), ("net2", "10.61.0.5")]


def test_what_is_declared_tells_rails_that_only_look_alike_apart() -> None:
    be = [rail("net1", "10.60.0.7/16", fabric="be"), rail("net2", "10.61.0.7/16", fabric="be")]
    sto = rail("net3", "10.70.0.7/16", fabric="sto")
    assert ways([*be, sto], "10.60.0.5") == [("net1", "10.60.0.5"), ("net2", "10.61.0.5")]
    assert ways([*be, sto], "10.60.0.5", "10.70.0.9") == [
        ("net1", "10.60.0.5"), ("net2", "10.61.0.5"), ("net3", "10.70.0.9"),
    ]  # fmt: skip


def test_each_family_has_the_same_slot() -> None:
    both = rail("net1", "10.60.0.7/16", "fd00:60::7/64")
    assert ways([both], "10.60.0.5") == [("net1", "10.60.0.5")]
    assert ways([both, rail("net2", "fd00:61::7/64")], "10.60.0.5") == [
        ("net1", "10.60.0.5"), ("net2", "fd00:61::5"),
    ]  # fmt: skip


def test_a_slot_that_a_smaller_rail_has_not_is_not_tried() -> None:
    small = rail("net2", "10.61.0.210/24", fabric="f")
    assert ways([rail("net1", "10.60.0.210/16", fabric="f"), small], "10.60.9.1") == [
        ("net1", "10.60.9.1")
    ]


def test_nobody_is_asked_who_is_oneself_or_elsewhere() -> None:
    assert ways([A, B], "10.60.4.210") == []
    assert ways([A, B], "10.99.0.1") == []
    assert strangers([A, B], addresses("10.60.0.1", "10.99.0.1")) == addresses("10.99.0.1")


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────


@given(limit=st.integers(SMALL, FULL - 1), lost=st.sets(st.integers(SMALL, FULL), max_size=3))
def test_the_limit_is_found_within_a_few_rounds(limit: int, lost: set[int]) -> None:
    low, high, rounds, sent = SMALL, FULL, 0, 0
    while tried := between(low, high):
        came = {size for size in tried if size <= limit and size not in lost}
        low, high = narrowed(low, high, came, tried)
        rounds, sent = rounds + 1, sent + len(tried)
        assert low <= limit
        assert rounds <= 8
    assert low == limit or {*range(low + 1, limit + 1)} & lost
    assert sent <= 8 * 2 * AT_ONCE


# ── verdict ──────────────────────────────────────────────────────────────────────────────────────

POD = Pod("pod train/worker-0", [A, B], "/run/netns/worker-0")
TO_A = Probe(A, ip_address("10.60.4.210"), ip_address("10.60.0.5"))
THROUGH = Outcome(sent=3, answered=3, largest=9000)


def judged(outcome: Outcome, probe: Probe = TO_A) -> Finding:
    (found,) = judge(Pod("pod", [probe.rail], "/n"), [(probe, outcome)], ())
    assert found.check == "rail-mtu"
    return found


E, W, OK = Severity.ERROR, Severity.WARNING, Severity.OK


@pytest.mark.parametrize(
    ("outcome", "severity", "words", "mend"),
    [
        (THROUGH, OK, "10.60.0.5: 8972 bytes come through whole", ""),
        (Outcome(3, 2, 9000), W, "whole, but 1 of 3 packets were lost", "ethtool -S"),
        (Outcome(3, 0), E, "no answer, not even to short packets", "ip neighbour show dev net1"),
        (Outcome(3, 0, 1500, 1501), E, "the path's MTU is 1500", "1500 is a default"),
        (Outcome(3, 0, 8950, 8951), E, "the path's MTU is 8950", "50 bytes are lacking"),
        (Outcome(3, 0, 4092, 4100), E, "the path's MTU is about 4092", "≥ 9000"),
        (Outcome(0, 0, 8900, 8901), E, "this pod's own net1 has", '"mtu": 9000 in the NAD'),
        (Outcome(refused="Operation not permitted"), E, "nothing can be sent: Operation", ""),
    ],
)
def test_what_is_made_of_it(outcome: Outcome, severity: Severity, words: str, mend: str) -> None:
    found = judged(outcome)
    assert (found.severity, words in found.what) == (severity, True), found
    assert mend in "\n".join(found.mend)


def test_ipv6_has_20_bytes_less_room() -> None:
    six = rail("net1", "fd00:60::7/64")
    probe = Probe(six, ip_address("fd00:60::7"), ip_address("fd00:60::5"))
    assert "8952 bytes come through" in judged(THROUGH, probe).what


def test_rails_that_were_not_tried_and_addresses_of_nobody() -> None:
    found = judge(POD, [(TO_A, THROUGH)], addresses("10.99.0.1"))
    assert [(one.severity, one.what.partition(" ")[0]) for one in found] == [
        (OK, "net1:"), (Severity.INFO, "net2"), (E, "10.99.0.1"),
    ]  # fmt: skip


def test_who_asks_oneself_has_proven_nothing() -> None:
    (found,) = judge(POD, [], [])
    assert (found.severity, found.what) == (E, "the peer is pod train/worker-0 itself")


# ── who sends, and to whom ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def world(tmp_path: Path) -> World:

    return World(tmp_path)


@pytest.mark.parametrize("wanted", ["", "worker-0", "train/worker-0"])
def test_a_pods_rails_are_those_of_its_records(world: World, wanted: str) -> None:
    world.attach()
    found = pod(world.kernel, world.records, wanted, {"roce-a": "backend"})
    assert (found.title, found.netns) == ("pod train/worker-0", "/run/netns/worker-0")
    (only,) = found.rails
    assert (only.ifname, only.mtu, only.wanted, only.name, only.fabric) == (
        "net1", 8000, 9000, "roce-a", "backend",
    )  # fmt: skip
    assert [str(one) for one in only.addresses] == ["10.60.0.5/16"]


def test_a_pod_that_is_not_here(world: World) -> None:
    world.attach()
    with pytest.raises(PathError, match="no pod worker-9 has rails on this node, only: train/work"):
        pod(world.kernel, world.records, "worker-9", {})


def test_a_pod_whose_namespace_is_anothers_by_now(world: World) -> None:
    world.attach()
    world.kernel.delete_namespace("/run/netns/worker-0")
    world.kernel.add_namespace("/run/netns/worker-0")
    with pytest.raises(PathError, match="train/worker-0 has gone"):
        pod(world.kernel, world.records, "", {})


def test_inside_a_pod_whatever_is_no_default_routes_may_be_a_rail() -> None:
    kernel = FakeKernel()
    for name, address in (("eth0", "10.20.50.9/24"), ("net1", "10.60.0.7/16"), ("net2", "")):
        link = kernel.add_physical(name)
        kernel.host.set_up(link.index)
        if address:
            kernel.host.add_address(link.index, ip_interface(address))
    eth0 = kernel.host.find("eth0")
    assert eth0
    kernel.host.add_route(
        Route(ip_network("0.0.0.0/0"), eth0.index, ip_address("10.20.50.1"))
    )  # fmt: skip
    found = pod(kernel, (), "", {})
    assert (found.netns, [one.ifname for one in found.rails]) == ("", ["net1"])


def test_a_peer_is_an_address_or_a_pod_that_somebody_knows(world: World) -> None:
    world.attach()
    known = [
        *of_records(world.records),
        Claimed("train/worker-1", tuple(addresses("10.60.0.9", "10.61.0.9"))),
        Claimed("train/worker-1", tuple(addresses("10.70.0.2", "10.60.0.9"))),
        Claimed("other/worker-0", ()),
    ]
    assert addresses_of("fd00:60::5", []) == addresses("fd00:60::5")
    assert addresses_of("worker-1", known) == addresses("10.60.0.9", "10.61.0.9", "10.70.0.2")
    assert addresses_of("train/worker-0", known) == addresses("10.60.0.5")
    with pytest.raises(PathError, match="may be other/worker-0 or train/worker-0"):
        addresses_of("worker-0", known)
    with pytest.raises(PathError, match="is no address, and no pod"):
        addresses_of("worker-7", known)
