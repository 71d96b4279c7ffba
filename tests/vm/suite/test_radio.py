"""rail-hostgw on WiFi: WPA2 between made-up radios, real drivers above them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.netns.cluster import Node
from tests.netns.doctor import doctor
from tests.netns.flannel import OVERLAYS, UPLINK
from tests.netns.traffic import COUNT, counted, encapsulated, ping
from tests.spec.node import run
from tests.vm.suite import tcp
from tests.vm.suite.conftest import LAB
from tests.vm.suite.radio import Home, has_power_save, radios, save_power
from tests.vm.suite.variants import Agents, Paths, Requests, Variant

NOTHING = {"sent": 0, "received": 0}
ALL = {"sent": COUNT, "received": COUNT}


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """The machine finds it in .cache/lab/guest0/radio, or guest1."""
    test: str = request.node.name
    made = LAB / os.environ["GUEST"] / "radio" / test
    made.mkdir(parents=True)
    return made


@pytest.fixture
def home(folder: Path) -> Iterator[Home]:
    """Nodes 1 and 2 on WiFi, node 3 on a cable; their pods talk over VXLAN."""
    with radios(3) as phys:
        made = Home(phys, folder)
        try:
            made.start()
            yield made
        finally:
            made.delete()


@pytest.fixture(params=["requests", "agents"])
def variant(
    request: pytest.FixtureRequest, home: Home, folder: Path, tmp_path: Path
) -> Iterator[Variant]:
    """Lets nodes find out whom they reach directly."""
    if request.param == "requests":
        yield Requests(tmp_path)
        return
    agents = Agents(home, tmp_path)
    try:
        yield agents
    finally:
        agents.stop(folder)


def all_paths(home: Home, variant: Variant) -> Paths:
    """Return who goes straight to whom, if nothing is in the way."""
    one, two = home.stations
    answers = home.stations if variant.answers_straight else []
    return {one: [two, home.wired], two: [one, home.wired], home.wired: answers}


def test_a_radio_is_known_by_itself_and_its_pods_leave_the_overlay(
    home: Home, variant: Variant
) -> None:
    one, two = home.stations
    for family in OVERLAYS:
        with encapsulated(one, two, family) as overlay:
            assert ping(one, two, family) == COUNT
        assert overlay == ALL

    variant.settle(all_paths(home, variant))
    for family in OVERLAYS:
        with encapsulated(one, two, family) as direct:
            assert ping(one, two, family) == COUNT
            assert ping(two, one, family) == COUNT
        assert direct == NOTHING
        with encapsulated(one, home.wired, family) as mixed:
            assert ping(one, home.wired, family) == COUNT
        assert mixed == (NOTHING if variant.answers_straight else ALL | {"sent": 0})


def test_stations_that_are_kept_apart_keep_the_overlay(home: Home, variant: Variant) -> None:
    one, two = home.stations
    paths = all_paths(home, variant)
    variant.settle(paths)
    apart = {one: [home.wired], two: [home.wired], home.wired: paths[home.wired]}
    home.isolate()
    variant.settle(apart)
    if isinstance(variant, Agents):
        told = variant.why(one, two) | variant.why(two, one)
        assert told <= {"its node is silent", "no agent answers on its node"}
    for family in OVERLAYS:
        with encapsulated(one, two, family) as overlay, encapsulated(two, one, family) as other:
            # Nothing passes from one station to another: VXLAN's packets do not either.
            assert ping(one, two, family, count=3) == 0
        assert overlay == {"sent": 3, "received": 0}
        assert other == NOTHING
        with encapsulated(one, home.wired, family) as mixed:
            assert ping(one, home.wired, family) == COUNT
        assert mixed["sent"] == 0
    (isolation,) = doctor(one)["isolation"]
    assert f"{two.address(4)}, {two.address(6)} not: client isolation" in isolation["what"]
    if isinstance(variant, Agents):
        variant.settle(apart)  # still: it does not concern the others

    home.serve()
    variant.settle(paths)
    with encapsulated(one, two, 4) as direct:
        assert ping(one, two, 4) == COUNT
    assert direct == NOTHING


@pytest.mark.parametrize("variant", ["requests"], indirect=True)
def test_a_radio_that_sleeps_is_reported_and_mended_and_answers_in_time(
    home: Home, variant: Variant
) -> None:
    one, two = home.stations
    awake = doctor(one)
    assert awake["uplink"][0]["what"].startswith("eth0 is the uplink, wireless, 2412 MHz")
    assert awake["power-save"][0]["severity"] == "ok"
    assert awake["signal"][0]["severity"] == "ok"
    for node in home.stations:
        save_power(node, on=True)
    # The access point keeps the question until both wake, at every second beacon.
    variant.settle({one: [two, home.wired]})

    asleep = doctor(one)
    (finding,) = asleep["power-save"]
    assert (finding["severity"], finding["what"]) == ("warning", "eth0 saves power")
    one.host.run(*finding["mend"][0].split())
    assert not has_power_save(one)
    assert has_power_save(two)


@dataclass(frozen=True, slots=True)
class Weather:
    """What it is like on the radio.

    Args:
        name: in the table.
        queue: each station's (tc-netem(8)).  It has a rate, for without one jitter changes the
            order of packets, which no radio does.
        power_save: whether both stations sleep.
    """

    name: str
    queue: str = "noqueue"
    power_save: bool = False

    def come(self, nodes: list[Node]) -> None:
        """Let it be so at these nodes."""
        for node in nodes:
            run("tc", "-netns", node.host.name, "qdisc", "replace", "dev", UPLINK,
                "root", *self.queue.split())  # fmt: skip
            save_power(node, on=self.power_save)


WEATHERS = (
    Weather("as it is"),
    Weather("power save", power_save=True),
    Weather("10 ms ± 4 ms", "netem delay 10ms 4ms rate 50mbit"),
    Weather("30 ms ± 20 ms, 1 % lost", "netem delay 30ms 20ms loss 1% rate 50mbit"),
)


@pytest.mark.long
def test_tcp_over_vxlan_and_directly(
    home: Home, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is asked of the numbers: the guest's processor decides them, too."""
    one, two = home.stations
    lines = [f"{'radio':<26}{'path':<9}{'set-up, ms':>12}{'longest':>9}{'Mbit/s':>9}"]
    with two.pod.running("python3", tcp.__file__, "serve") as server:
        assert server.stdout
        assert server.stdout.readline() == "listening\n"
        for weather in WEATHERS:
            weather.come(home.stations)
            for path, mode in (("VXLAN", "off"), ("direct", "wifi")):
                for node in home.stations:
                    node.call("ADD", tmp_path, mode=mode)
                with counted(one) as overlay:
                    told = one.pod.run("python3", tcp.__file__, "measure", two.pod_address(4))
                assert (overlay == NOTHING) is (path == "direct")
                found = json.loads(told)
                lines.append(
                    f"{weather.name:<26}{path:<9}{found['median']:>12.1f}"
                    f"{found['longest']:>9.0f}{found['rate']:>9.1f}"
                )
    (folder / "table.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - what it is for
