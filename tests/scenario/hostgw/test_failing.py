"""An agent that cannot do what it should: what it says, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.agent.hostgw.path import State
from cni.protocol.errors import CniError
from tests.scenario.hostgw.air import Air
from tests.scenario.hostgw.station import LIMIT, LOOKS, Station


@pytest.fixture
def air(tmp_path: Path) -> Air:
    """Two nodes whose pods reach each other directly."""
    made = Air(tmp_path, 2)
    for station in made.stations:
        station.start()
    made.pass_time(15)
    assert states(made.stations[0]) == {State.DIRECT}
    return made


def states(station: Station) -> set[State]:
    assert station.prover
    return {peer.path.state for peer in station.prover.peers.all.values()}


def test_what_keeps_it_from_proving_is_said(air: Air) -> None:
    station = air.stations[0]
    assert station.prover
    assert station.prover.impairments == []
    station.kernel.advance(LIMIT + 1)
    station.prover.look_soon()
    with station.node.locks.host_routes(), pytest.raises(CniError, match="another request"):
        station.prover.turn()
    assert any("another request" in each for each in station.prover.impairments)
    assert states(station) == {State.PROBING}
    air.pass_time(15)
    assert station.prover.impairments == []
    assert states(station) == {State.DIRECT}


def test_what_has_expired_meanwhile_is_not_shown_as_direct(air: Air) -> None:
    station = air.stations[0]
    assert station.prover
    station.refuses = LOOKS
    air.pass_time(20)
    assert station.prover.impairments == [
        "nothing is proven just now: [Errno 24] ip link show: Too many open files"
    ]
    assert states(station) == {State.PROBING}
    station.refuses = ""
    air.pass_time(15)
    assert states(station) == {State.DIRECT}


def test_it_ends_in_peace_where_a_plugin_hangs_that_changes_routes(
    air: Air, caplog: pytest.LogCaptureFixture
) -> None:
    station = air.stations[0]
    assert station.prover
    with station.node.locks.host_routes():
        station.prover.close()
    assert "routes and rules stay" in caplog.text
    assert not station.kernel.host.marked("rail-hostgw")


def test_messages_that_nobody_could_be_from_are_counted(air: Air) -> None:
    one, other = air.stations
    assert one.prover
    with other.outside():
        other.be_at(77)  # which flannel does not tell anybody
    air.pass_time(10)
    assert one.prover.post.refused["stranger"]


def test_its_log_names_the_rules_by_what_they_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        made = Air(tmp_path, 2)
        for station in made.stations:
            station.start()
        made.pass_time(15)
    assert "the rule from 0.0.0.0/0 fwmark 0x1000000/0x1000000 lookup 142" in caplog.text
