"""Whatever happens to a direct path: pods are hardly longer apart than on the overlay alone."""

from __future__ import annotations

import os
import time
from ipaddress import ip_address
from typing import Any

import pytest

from cni.agent.hostgw.echo import Echo, Kind, Way, Word, pack
from cni.agent.hostgw.keys import Key
from tests.netns.agent import Agent, wait_until
from tests.netns.conftest import TIMES
from tests.netns.flannel import OVERLAYS
from tests.netns.scene import Scene, streams
from tests.netns.traffic import encapsulated, ping
from tests.netns.troubles import TROUBLES, Trouble, agent_is_upgraded, direct_path_is_blocked
from tests.netns.wiretap import KEYS, message, send, tapping

pytestmark = pytest.mark.netns

SLACK = 1.5
"""Seconds that a busy machine needs for what takes no time."""


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_pods_are_hardly_longer_apart_than_on_the_overlay(scene: Scene, trouble: Trouble) -> None:
    one, two, *_ = scene.nodes
    with streams(scene) as end:
        with trouble.strike(scene), trouble.strike(scene.control):
            scene.wait_for(one, two, *trouble.becomes)
        scene.settle()
        ours, control = end()
    assert ours.gap <= control.gap + TIMES["limit"] + SLACK, (ours, control)
    if not trouble.loses:
        assert ours.lost == 0, ours
    assert scene.ours_in_main() == []


def test_a_rule_of_ours_that_is_deleted_is_put_back(scene: Scene) -> None:
    one, two, *_ = scene.nodes
    before = {family: one.rules(family) for family in OVERLAYS}
    for family in OVERLAYS:
        one.host.ip(f"-{family}", "rule", "delete", "priority", "5000")

    def rules() -> dict[int, list[dict[str, Any]]]:
        return {family: one.rules(family) for family in OVERLAYS}

    assert rules() != before
    wait_until(lambda: rules() == before, lambda: f"{rules()}, expected {before}")
    found = {}

    def goes_straight() -> bool:
        with encapsulated(one, two, 4) as found[4]:
            assert ping(one, two, 4, 1) == 1
        return found[4]["sent"] == 0

    wait_until(goes_straight, lambda: f"{found} {scene.unsettled()}")


def test_echoes_that_are_recorded_and_sent_again_change_nothing(scene: Scene) -> None:
    one = scene.nodes[0]
    with tapping(scene.cluster.lan, one) as tap:
        time.sleep(3 * TIMES["interval"])
        with agent_is_upgraded(scene):
            scene.settle()
        tap.listen()
        said = [message(frame) for frame in tap.recorded]
        assert any(echo.word and echo.word.leaving for echo in said)
        nodes_requests = {
            echo.nonce for echo in said if echo.kind is Kind.REQUEST and echo.way is Way.NODE
        }
        with streams(scene) as end:
            switches = figures(scene.agents[0], "hostgw_switches")
            assert tap.replay(lambda _: True) == len(said) > 10
            time.sleep(2 * TIMES["limit"])
            assert tap.answers() & nodes_requests, "no replay has arrived"
            ours, _ = end()
        assert figures(scene.agents[0], "hostgw_switches") == switches
        assert ours.lost == 0
        assert scene.unsettled() == []


def test_echoes_that_are_sent_again_prove_no_path_that_is_blocked(scene: Scene) -> None:
    one, two, *_ = scene.nodes
    with tapping(scene.cluster.lan, one) as tap:
        time.sleep(4 * TIMES["interval"])
        tap.listen()
        with direct_path_is_blocked(scene):
            began = time.monotonic()
            while not scene.state(one, two).startswith("holddown"):
                answers = tap.replay(lambda e: e.kind is Kind.ANSWER and e.way is Way.DIRECT)
                assert answers > 0
                assert time.monotonic() - began < TIMES["limit"] + SLACK
                time.sleep(TIMES["interval"] / 3)


def test_forged_echoes_are_counted_and_change_nothing(scene: Scene) -> None:
    one, two, *_ = scene.nodes
    agent = scene.agents[0]
    addresses = ip_address(two.address(4)), ip_address(one.address(4))
    goodbye = Word("wifi", wireless=True, probe=None, version="0", leaving=True)
    said = [
        Echo(Kind.ANSWER, Way.NODE, os.urandom(16), *addresses, goodbye),
        Echo(Kind.ANSWER, Way.DIRECT, os.urandom(16), *addresses),
        Echo(Kind.REQUEST, Way.NODE, os.urandom(16), *addresses),
    ]
    unknown = [pack(echo, Key.of(b"another key than all others have"), 384) for echo in said]
    unsigned = [data[:-1] + bytes([data[-1] ^ 1]) for data in (pack(e, KEYS.own) for e in said)]
    unasked = [pack(echo, KEYS.own) for echo in said[:2]]
    refused = figures(agent, "hostgw_refused_messages")
    switches = figures(agent, "hostgw_switches")
    with streams(scene) as end:
        send(two, one, [*unknown, *unsigned, *unasked, b"no echo"])
        expected = {"unknown key": len(unknown), "forged": len(unsigned), "foreign": 1}
        wanted = {why: refused.get(why, 0) + count for why, count in expected.items()}
        wait_until(
            lambda: figures(agent, "hostgw_refused_messages").items() >= wanted.items(),
            lambda: f"{figures(agent, 'hostgw_refused_messages')}, expected {wanted}",
        )
        time.sleep(TIMES["limit"])
        ours, _ = end()
    assert figures(agent, "hostgw_switches") == switches
    assert ours.lost == 0
    assert scene.unsettled() == []


def figures(agent: Agent, name: str) -> dict[str, float]:
    """Return the figures of an agent's series, by what is between the first quote and the last."""
    lines = agent.page("/metrics").splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith(f"railcni_{name}"))
    return {labels.partition('"')[2].rpartition('"')[0]: float(value) for labels, _, value in found}
