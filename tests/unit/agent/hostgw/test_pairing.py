"""Which peers a direct path is wanted to, and why not to others."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from cni.agent.hostgw.echo import Word
from cni.agent.hostgw.pairing import Own, obstacle
from cni.agent.hostgw.settings import Mode
from tests.unit.agent.hostgw.cluster import (
    OWN,
    OWN6,
    PEER6,
    PROBE,
    PROBE6,
    UPLINK,
    WIRE,
    near,
    word,
)

RADIO = Own("wifi", frozenset({UPLINK.name}), {4: OWN, 6: OWN6})
WIRED = replace(RADIO, radios=frozenset())


@pytest.mark.parametrize(
    ("said", "own", "why"),
    [
        (None, RADIO, "no agent answers on its node"),
        (word(leaving=True), RADIO, "its agent has said goodbye"),
        (word(wireless=False), WIRED, "both ends are wired"),
        (word(), replace(RADIO, probes={}), "no pod to probe from: it is not attached yet"),
        (word(), replace(RADIO, probes={6: OWN6}, no_probe="no bridge"), "probe from: no bridge"),
        (word(), replace(RADIO, probes={6: OWN6}), "probe from: it has no address of IPv4"),
        (word(probe=None), RADIO, "its agent has no pod to be probed"),
        (
            word(probe=PROBE6),
            RADIO,
            "its agent is probed at fd42:0:0:1::9, which is in another network",
        ),
    ],
)
def test_each_obstacle_in_words(said: Word | None, own: Own, why: str) -> None:
    assert obstacle(near(), said, own).endswith(why)


def test_which_comes_first() -> None:
    said = word(wireless=False, probe=None, leaving=True)
    own = replace(WIRED, probes={})
    assert obstacle(near(), said, own) == "its agent has said goodbye"
    assert obstacle(near(), replace(said, leaving=False), own) == "both ends are wired"
    assert "this node has no pod" in obstacle(near(), replace(said, leaving=False), RADIO.__class__(
        "wifi", RADIO.radios
    ))  # fmt: skip


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("theirs", ["wifi", "always", "observe", "of a later version"])
@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_only_two_wired_ends_are_left_alone_and_only_by_one_mode(
    mode: Mode, theirs: str, *, here: bool, there: bool
) -> None:
    own = replace(RADIO if here else WIRED, mode=mode)
    found = obstacle(near(), word(theirs, wireless=there), own)
    expected = "both ends are wired" if mode == "wifi" and not here and not there else ""
    assert found == expected


def test_a_wired_uplink_of_a_node_with_a_radio_is_wired() -> None:
    assert obstacle(near(uplink=WIRE), word(wireless=False), RADIO) == "both ends are wired"
    assert obstacle(near(), word(wireless=False), RADIO) == ""


def test_each_family_has_a_pod_of_its_own() -> None:
    six = near("fd42:0:0:1::/64", PEER6, OWN6)
    assert obstacle(six, word(probe=PROBE6), RADIO) == ""
    assert "another network" in obstacle(six, word(probe=PROBE), RADIO)
    assert "no pod to probe from" in obstacle(six, word(probe=PROBE6), replace(
        RADIO, probes={4: OWN}
    ))  # fmt: skip
