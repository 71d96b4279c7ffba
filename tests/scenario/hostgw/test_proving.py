"""Nodes with agents: what they find, what they make, and what they tell."""

from __future__ import annotations

import json
import select
from collections.abc import Callable, Sequence
from contextlib import closing
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.part import HostgwPart
from cni.agent.hostgw.path import State
from cni.agent.hostgw.settings import HostgwSettings
from cni.hostgw.decision import MARKS
from cni.kernel.types import Rule
from tests.scenario.hostgw.air import TICK, Air
from tests.scenario.hostgw.host import UPLINK
from tests.scenario.hostgw.station import BAD, GOOD, Station


def proving(folder: Path, count: int = 2, versions: tuple[int, ...] = (4,)) -> Air:
    air = Air(folder, count, versions)
    for station in air.stations:
        station.start()
    return air


@pytest.fixture
def air(tmp_path: Path) -> Air:
    """Two nodes that have proven their paths."""
    air = proving(tmp_path)
    air.pass_time(10)
    assert all(is_direct(air, station) for station in air.stations)
    return air


def is_direct(air: Air, station: Station) -> bool:
    return bool(list(air.direct(station)))


def states(station: Station) -> set[State]:
    assert station.prover
    return {peer.path.state for peer in station.prover.peers.all.values()}


def soon(air: Air, holds: Callable[[], bool], within: float) -> float:
    began = air.now
    while not holds():
        assert air.now - began < within
        air.pass_time(0.05, 0.05)
    return air.now - began


def take(air: Air, station: Station, wanted: Callable[[Rule], bool]) -> None:
    """Let another program take rules of ours."""
    air.unnoticed.add(station.number)
    with station.outside():
        for rule in station.host.rules():
            if rule.protocol == 142 and rule not in station.foreign and wanted(rule):
                station.host.remove_rule(rule)


def test_three_nodes_of_two_families(tmp_path: Path) -> None:
    air = proving(tmp_path, 3, (4, 6))
    air.pass_time(10)
    for station in air.stations:
        assert len(list(air.direct(station))) == 4
        rules = [r for r in station.host.rules() if r.protocol == 142]
        assert len([r for r in rules if r not in station.foreign]) == 6
        assert station.host.sysctl(f"ipv4/conf/{UPLINK}/rp_filter") == "2"


def test_the_end_takes_everything_back_and_tells_the_others(air: Air) -> None:
    a, b = air.stations
    b.stop()
    air.carry(b)
    assert not [r for r in b.host.table(142) if r not in b.foreign]
    assert not [r for r in b.host.rules() if r.protocol == 142 and r not in b.foreign]
    assert MARKS not in b.host.netns.markings
    assert soon(air, lambda: not is_direct(air, a), 1) <= 0.1
    assert a.prover
    assert {p.path.why for p in a.prover.peers.all.values()} == {"its agent has said goodbye"}


def test_what_a_dead_agent_left_expires_and_is_cleared_by_the_next(air: Air) -> None:
    a, _ = air.stations
    a.die()
    assert is_direct(air, a)
    assert soon(air, lambda: not is_direct(air, a), 3.1) <= 3.1
    assert [r for r in a.host.table(142) if r not in a.foreign]
    a.start()
    air.pass_time(0.25)
    assert not [r for r in a.host.table(142) if r not in a.foreign]
    soon(air, lambda: is_direct(air, a), 20)


def test_an_uplink_that_goes_takes_the_paths_with_it_at_once(air: Air) -> None:
    a, b = air.stations
    air.unnoticed.add(a.number)
    with a.outside():
        a.set_uplink(up=False)
    assert soon(air, lambda: not a.host.marked(MARKS), 1) <= 0.6
    assert soon(air, lambda: not is_direct(air, b), 3.2) <= 3.1
    with a.outside():
        a.set_uplink(up=True)
    soon(air, lambda: is_direct(air, a) and is_direct(air, b), 25)


def test_what_is_taken_is_put_back_but_not_at_any_rate(air: Air) -> None:
    a, _ = air.stations
    air.pass_time(5)
    assert a.prover
    for _ in range(2):
        take(air, a, lambda _: True)
        air.pass_time(1)
    assert a.prover.keeper.healed == 3
    assert not [r for r in a.host.rules() if r.protocol == 142 and r not in a.foreign]
    assert not is_direct(air, a)
    air.pass_time(10)
    assert a.prover.keeper.healed == 6
    soon(air, lambda: is_direct(air, a), 5)


def test_a_way_that_was_put_back_is_proven_anew(air: Air) -> None:
    a, _ = air.stations
    take(air, a, lambda rule: rule.port == 9754)
    soon(air, lambda: not is_direct(air, a), 1)
    assert soon(air, lambda: is_direct(air, a), 5) >= 1


@pytest.mark.parametrize("changes", range(4))
@pytest.mark.parametrize("phase", range(4))
def test_who_dies_while_it_puts_a_way_back_has_unmarked_it_before(
    air: Air, phase: int, changes: int
) -> None:
    a, _ = air.stations
    air.pass_time(phase * TICK + 0.1, 0.05)
    air.cuts = {("direct", 0, 1)}
    air.pass_time(1.5)
    assert a.prover
    a.prover.look_soon()
    air.pass_time(0.05, 0.05)
    take(air, a, lambda _: True)  # the marks alone would lead echoes straight, too
    air.pass_time(0.4, 0.05)  # too soon for a look: an echo may take the overlay, and be answered
    a.crash_in = changes
    air.pass_time(5)  # `Air` looks at it


@pytest.mark.parametrize("phase", range(12))
def test_nothing_but_a_direct_echo_proves_a_direct_way(air: Air, phase: int) -> None:
    a, _ = air.stations
    air.pass_time(phase)
    air.cuts, air.stranger_answers = {("direct", 0, 1)}, True
    air.pass_time(3.25)  # `Air` looks at it
    assert not is_direct(air, a)
    for packet in air.heard[-100:]:
        air.post(packet)
    air.pass_time(5)
    assert not is_direct(air, a)


@pytest.mark.parametrize("refuses", ["", "rule add"])
def test_a_way_that_is_not_put_back_is_not_proven_over_the_overlay(air: Air, refuses: str) -> None:
    a, _ = air.stations
    a.refuses = refuses
    take(air, a, lambda rule: rule.port == 9754)
    air.pass_time(1.5)
    air.cuts = {("direct", 0, 1)}
    take(air, a, lambda rule: rule.port == 9754)
    air.pass_time(12)  # in which nothing may go straight: `Air` looks at it
    air.cuts.clear()
    a.refuses = ""
    soon(air, lambda: is_direct(air, a), 40)


def test_one_familys_rules_are_not_the_others_business(tmp_path: Path) -> None:
    air = proving(tmp_path, 2, (4, 6))
    air.pass_time(10)
    a, _ = air.stations
    take(air, a, lambda rule: rule.source.version == 6)
    seen = set[int]()
    for _ in range(40):
        air.pass_time(0.1, 0.1)
        seen.add(sum(network.version == 4 for network, _ in air.direct(a)))
    assert seen == {1}


def test_without_nftables_paths_are_watched_until_there_are_some(tmp_path: Path) -> None:
    air = Air(tmp_path, 2)
    a, b = air.stations
    a.kernel.remove_nftables()
    air.inspected = {1}
    for station in air.stations:
        station.start()
    air.pass_time(10)
    assert a.prover
    assert a.prover.mode == "observe"
    assert any("nftables" in words for words in a.prover.impairments)
    assert (states(a), states(b)) == ({State.PROBING}, {State.DIRECT})
    a.kernel.machine.nftables = True
    with a.outside():
        a.host.set_marking(a.foreign_marking)
    air.inspected = None
    air.pass_time(20)
    assert (a.prover.mode, states(a), a.prover.impairments) == ("wifi", {State.DIRECT}, [])


def test_without_a_key_nothing_is_said_and_nothing_piles_up(tmp_path: Path) -> None:
    air = Air(tmp_path, 2)
    a, b = air.stations
    a.keys = [BAD]
    for station in air.stations:
        station.start()
    air.pass_time(10)
    assert a.prover
    assert a.prover.impairments == ["no key"]
    assert a.prover.refused["no key"] >= 2
    assert states(b) == {State.OVERLAY}
    assert not readable(a)
    a.keys = [GOOD]
    air.pass_time(20)
    assert a.prover.impairments == []
    assert is_direct(air, a)


def readable(station: Station) -> Sequence[object]:
    assert station.prover
    opened = list(station.prover._sockets._opened.values())
    assert opened
    return select.select(opened, [], [], 0)[0]


def test_bad_keys_do_not_replace_good_ones(air: Air) -> None:
    a, _ = air.stations
    a.keys = [BAD]
    air.pass_time(15)
    assert a.prover
    assert a.prover.impairments == ["no key"]
    assert is_direct(air, a)


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    air = Air(tmp_path, 2)
    a, _ = air.stations
    with closing(a.host.datagrams(a.addresses[4], 9754)):
        for station in air.stations:
            station.start()
        air.pass_time(5)
        assert a.prover
        (problem,) = a.prover.impairments
        assert "no echoes" in problem
        assert "9754" in problem
    air.pass_time(25)
    assert (a.prover.impairments, is_direct(air, a)) == ([], True)


def test_messages_that_are_astray_are_counted(air: Air) -> None:
    a, _ = air.stations
    assert a.prover
    packet = next(p for p in air.heard if p.target in a.addresses.values())
    assert a.attached
    over_the_overlay = next(
        p for p in air.heard if p.target == a.attached.addresses[4] and p.port == 9755
    )
    before = a.prover.refused["astray"]
    namespace = a.attached.namespace.path
    for strange in (packet, over_the_overlay):
        a.kernel.deliver(
            type(strange)(strange.data, strange.source, a.attached.addresses[4], 9754),
            path=namespace,
        )
    a.prover.receive(Way.DIRECT)
    assert a.prover.refused["astray"] == before + 2


def test_the_page_of_a_node_that_cannot_prove_anything_says_why(tmp_path: Path) -> None:
    a = Air(tmp_path, 2).stations[0]
    nowhere = {"keyFile": f"{tmp_path}/key", "conflists": f"{tmp_path}/net.d"}
    settings = HostgwSettings.model_validate(nowhere)
    part = HostgwPart(a.node, settings, (), {})
    with closing(part):
        part._prover.turn()
        page = json.loads(part.page())
        assert page["mode"] == "wifi"
        assert any(f"{tmp_path}/key is missing" in words for words in page["impairments"])
        assert page["impairments"] == part.impairments()
        (peer,) = page["peers"]
        assert (peer["peer"], peer["node"], peer["state"]) == (
            "10.42.1.0/24", "192.168.1.11", "overlay",
        )  # fmt: skip
        assert peer["why"] == "no agent answers on its node"
        assert peer["ways"]["direct"] == {"rttSeconds": None, "jitterSeconds": None, "loss": None}
        assert part.problems() == ()
        figures = {family.name: family for family in part.figures()}
        assert [s.value for s in figures["hostgw_impaired"].samples] == [1]
        paths = {s.labels: s.value for s in figures["hostgw_paths"].samples}
        assert paths[("overlay",)] == 1
        assert paths[("direct",)] == 0


def test_the_page_of_one_that_does(air: Air) -> None:
    a = air.stations[0]
    assert a.prover
    network = ip_network("10.42.7.0/24")
    with a.outside():
        a.learn(type(a.places[4])(7, network, network.network_address, 24), ip_address("8.8.8.8"))
    air.pass_time(1)
    part = HostgwPart(a.node, HostgwSettings(), (), {})
    part._prover, own = a.prover, part._prover
    own.close()
    page = json.loads(part.page())
    near, far = page["peers"]
    assert (near["state"], near["why"], near["uplink"], near["mode"]) == (
        "direct", "proven", "wireless", "wifi",
    )  # fmt: skip
    assert near["ways"]["direct"]["loss"] == 0
    assert near["ways"]["direct"]["rttSeconds"] >= 0
    assert near["seconds"] > 0
    assert far == {
        "peer": "10.42.7.0/24", "state": "overlay", "why": "no route to its node 8.8.8.8",
    }  # fmt: skip
    figures = {family.name: family for family in part.figures()}
    assert {s.labels: s.value for s in figures["hostgw_switches"].samples}[("direct",)] == 1
    assert {s.labels for s in figures["hostgw_rtt_seconds"].samples} >= {
        ("10.42.1.0/24", "direct"), ("10.42.1.0/24", "node"),
    }  # fmt: skip
