"""What is asked of nodes with agents, and done to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cni.agent.hostgw.path import State
from cni.kernel.types import Rule
from tests.scenario.hostgw.air import Air
from tests.scenario.hostgw.station import Station


def proving(folder: Path, count: int = 2, versions: tuple[int, ...] = (4,)) -> Air:
    air = Air(folder, count, versions)
    for station in air.stations:
        station.start()
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
