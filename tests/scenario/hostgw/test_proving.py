"""Nodes with agents: what they find, what they make, and what others do to it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.path import State
from cni.hostgw.decision import MARKS
from tests.scenario.hostgw.air import TICK, Air, read, way_of
from tests.scenario.hostgw.host import OVERLAY, UPLINK
from tests.scenario.hostgw.proving import is_direct, proving, soon, states, take
from tests.scenario.hostgw.station import LIMIT


def test_three_nodes_of_two_families(tmp_path: Path) -> None:
    air = proving(tmp_path, 3, (4, 6))
    air.pass_time(10)
    for station in air.stations:
        assert len(list(air.direct(station))) == 4
        rules = [r for r in station.host.rules() if r.protocol == 142]
        assert len([r for r in rules if r not in station.foreign]) == 8
        assert station.host.sysctl(f"ipv4/conf/{UPLINK}/rp_filter") == "2"


def test_only_what_is_from_pods_or_the_overlays_address_goes_straight(tmp_path: Path) -> None:
    air = proving(tmp_path, 2, (4, 6))
    air.pass_time(10)
    a, b = air.stations
    for version, own in a.places.items():
        target = b.places[version].pod(5)
        ways = {
            source: way_of(a, source, target, ip_protocol=6)
            for source in (own.pod(5), own.overlay, a.addresses[version], b.places[version].pod(7))
        }
        links = [a.host.link(way.index) for way in ways.values() if way]
        assert [link and link.name for link in links] == [UPLINK, UPLINK, OVERLAY, OVERLAY]


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
    assert a.prover.keeper.healed == 4
    assert not [r for r in a.host.rules() if r.protocol == 142 and r not in a.foreign]
    assert not is_direct(air, a)
    air.pass_time(10)
    assert a.prover.keeper.healed == 8
    soon(air, lambda: is_direct(air, a), 5)


def test_each_request_is_the_beginning_of_a_connection_to_a_firewall(air: Air) -> None:
    """From one port to the same, a peer's requests would let ours in where pods' are not."""
    a, _ = air.stations
    assert a.attached
    own = a.attached.addresses[4]
    seen = len(air.heard)
    air.pass_time(20)
    sent = [
        p for p in air.heard[seen:] if p.source == own and (m := read(p)) and m.way is Way.DIRECT
    ]
    requests = [p.source_port for p in sent if p.port == 9754]
    answers = [p.port for p in sent if p.source_port == 9754]
    assert len(requests) >= 19
    assert len(requests) + len(answers) == len(sent)
    assert 9754 not in {*requests, *answers}
    assert all(one != other for one, other in pairwise(requests))
    space = a.kernel._at(a.attached.namespace.path)
    assert len(space.sockets) <= 2 + 1 + LIMIT + 1  # what nobody can answer any more is closed


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
