"""What agents tell of themselves, and of what is in their way."""

from __future__ import annotations

import json
import select
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.part import HostgwPart
from cni.agent.hostgw.path import State
from cni.agent.hostgw.settings import HostgwSettings
from tests.scenario.hostgw.air import Air
from tests.scenario.hostgw.proving import is_direct, states
from tests.scenario.hostgw.station import BAD, GOOD, Station


def test_without_a_key_nothing_is_said_and_nothing_piles_up(tmp_path: Path) -> None:
    air = Air(tmp_path, 2)
    a, b = air.stations
    a.keys = [BAD]
    for station in air.stations:
        station.start()
    air.pass_time(10)
    assert a.prover
    assert a.prover.impairments == ["no key"]
    assert a.prover.post.refused["no key"] >= 2
    assert states(b) == {State.OVERLAY}
    assert not readable(a)
    a.keys = [GOOD]
    air.pass_time(20)
    assert a.prover.impairments == []
    assert is_direct(air, a)


def readable(station: Station) -> Sequence[object]:
    assert station.prover
    opened = list(station.prover.post.sockets._opened.values())
    assert opened
    poll = select.poll()  # select knows no descriptor above 1023
    for each in opened:
        poll.register(each, select.POLLIN)
    return poll.poll(0)


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
    before = a.prover.post.refused["astray"]
    namespace = a.attached.namespace.path
    for strange in (packet, over_the_overlay):
        a.kernel.deliver(
            replace(strange, target=a.attached.addresses[4], port=9754),
            path=namespace,
        )
    a.prover.receive(Way.DIRECT)
    assert a.prover.post.refused["astray"] == before + 2


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
    switches = {s.labels: s.value for s in figures["hostgw_switches"].samples}
    assert {to for _, to in switches} == {state.value for state in State}
    assert switches["10.42.1.0/24", "direct"] == 1
    assert switches["10.42.1.0/24", "holddown"] == 0
    assert {s.labels for s in figures["hostgw_rtt_seconds"].samples} >= {
        ("10.42.1.0/24", "direct"), ("10.42.1.0/24", "node"),
    }  # fmt: skip
