"""Two nodes, as values, and a network between them that delays, loses, repeats and lies."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from cni.agent.hostgw import echo
from cni.agent.hostgw.echo import Kind, Way
from cni.agent.hostgw.keys import Key, Keys
from cni.agent.hostgw.path import State
from cni.agent.hostgw.peers import SEEKING
from tests.unit.agent.hostgw.cluster import KEY, KEYS, OTHER
from tests.unit.agent.hostgw.lan import Lan, Node, Sent
from tests.unit.agent.hostgw.pair import (
    PODS_A,
    PODS_B,
    PROBES_A,
    PROBES_B,
    A,
    B,
    blocked,
    both,
)


@pytest.mark.parametrize("one_way", [False, True])
def test_a_dead_path_is_left_within_the_limit(direct: Lan, *, one_way: bool) -> None:
    direct.loses = blocked(Way.DIRECT, PROBES_A[4] if one_way else None)
    cut = direct.now
    direct.until(lambda: direct.nodes["a"].state(PODS_B) is not State.DIRECT, 5)
    assert direct.now - cut <= 4.2
    # Echoes from A do not come through, nor do A's answers: so neither end is proven.
    direct.until(lambda: direct.nodes["b"].state(PODS_A) is not State.DIRECT, 4.2)
    for node in direct.nodes.values():
        assert not node.peers.proofs()
        (peer,) = node.peers.all.values()
        assert (peer.path.state, peer.path.hold) == (State.HOLDDOWN, 30)


def test_after_the_hold_down_it_is_tried_again_and_held_longer(direct: Lan) -> None:
    a = direct.nodes["a"]
    direct.loses = blocked(Way.DIRECT)
    direct.until(lambda: a.state(PODS_B) is State.HOLDDOWN, 5)
    direct.loses = lambda _: False
    took = direct.until(lambda: a.state(PODS_B) is State.DIRECT, 60)
    assert 50 <= took < 53
    direct.loses = blocked(Way.DIRECT)
    direct.until(lambda: a.state(PODS_B) is State.HOLDDOWN, 5)
    assert a.peer(PODS_B).path.hold == 60


def test_nobody_is_asked_directly_while_held_down(direct: Lan) -> None:
    direct.loses = blocked(Way.DIRECT)
    direct.until(both(direct, State.HOLDDOWN), 6)
    seen = len(direct.record)
    direct.run(20)
    ways = Counter(sent.way for sent in direct.record[seen:])
    assert ways[Way.DIRECT] == 0
    assert ways[Way.NODE] > 0


@pytest.mark.parametrize("dead", ["gone", "hung"])
def test_a_silent_node_is_left_and_nothing_is_held_against_it(direct: Lan, dead: str) -> None:
    a, b = direct.nodes["a"], direct.nodes["b"]
    if dead == "hung":
        b.hangs = True
    else:
        direct.loses = lambda _: True
    direct.until(lambda: a.state(PODS_B) is not State.DIRECT, 4.3)
    assert (a.state(PODS_B), a.peer(PODS_B).path.hold) == (State.PROBING, 0)
    direct.until(lambda: a.state(PODS_B) is State.OVERLAY, 32)
    assert a.peer(PODS_B).path.why == "no agent answers on its node"
    assert a.peer(PODS_B).word(direct.now) is None
    b.hangs, direct.loses = False, lambda _: False
    assert direct.until(lambda: a.state(PODS_B) is State.DIRECT, 40) < 20 + SEEKING + 2


def test_goodbye_withdraws_at_once(direct: Lan) -> None:
    a, b = direct.nodes["a"], direct.nodes["b"]
    for letter in b.peers.farewells():
        direct.send(b, letter)
    b.hangs = True
    direct.run(0.2)
    assert (a.state(PODS_B), a.peers.proofs()) == (State.OVERLAY, {})
    assert a.peer(PODS_B).path.why == "its agent has said goodbye"
    direct.until(lambda: a.peer(PODS_B).path.why == "no agent answers on its node", 40)


def test_who_comes_back_after_a_goodbye_is_found_soon(direct: Lan) -> None:
    a, b = direct.nodes["a"], direct.nodes["b"]
    for letter in b.peers.farewells():
        direct.send(b, letter)
    direct.run(0.2)
    again = Node(b.own, *b.candidates.values())
    direct.nodes = {"a": a, "b": again}
    assert direct.until(both(direct), 40) < 25


def test_a_lost_packet_now_and_then_is_no_failure(lan: Lan) -> None:
    chance = random.Random(1)  # noqa: S311 - of losses, no secret
    lan.until(both(lan), 30)
    lan.loses = lambda _: chance.random() < 0.07  # of ten exchanges more than one
    states = set[State]()
    lan.run(1800, lambda: states.update(n.state(c) for n, c in zip(
        lan.nodes.values(), (PODS_B, PODS_A), strict=True
    )))  # fmt: skip
    assert states == {State.DIRECT}


def test_a_slow_network_is_no_failure(direct: Lan) -> None:
    direct.delay = lambda _: 0.7
    direct.run(30)
    assert both(direct)()


@pytest.mark.parametrize("again", ["answer", "request"])
def test_what_was_recorded_proves_nothing(direct: Lan, again: str) -> None:
    recorded = [s for s in direct.record if s.way is not Way.NODE or again == "answer"]
    kept = [s for s in recorded if echo.unpack(s.data, KEYS).kind.name.lower() == again]
    direct.loses = lambda sent: sent.way is not Way.NODE and sent not in kept
    a = direct.nodes["a"]
    began = direct.now

    def replay() -> None:
        for sent in kept[-30:]:
            direct.post(sent)

    direct.run(4.2, replay)
    assert direct.now - began < 5
    assert a.state(PODS_B) is not State.DIRECT
    direct.run(60, replay)
    assert not a.peers.proofs()


def test_a_recorded_goodbye_makes_nobody_leave(direct: Lan) -> None:
    a, b = direct.nodes["a"], direct.nodes["b"]
    recorded = [
        Sent(echo.pack(letter.echo, KEY), letter.echo.way, letter.source, letter.target)
        for letter in b.peers.farewells()
    ]
    assert recorded
    direct.run(5)
    for sent in recorded:
        direct.post(sent)
    direct.run(1)
    assert a.state(PODS_B) is State.DIRECT
    said = a.peer(PODS_B).talk.word
    assert said
    assert not said.leaving


def test_what_nobody_of_us_has_signed_proves_nothing(direct: Lan) -> None:
    stranger = Key.of(b"s" * 32)
    a = direct.nodes["a"]

    def forge() -> None:
        for sent in direct.record[-20:]:
            message = echo.unpack(sent.data, Keys((*KEYS.keys, stranger)))
            lie = replace(message, kind=Kind.ANSWER, sender=B, receiver=A)
            direct.post(Sent(echo.pack(lie, stranger), sent.way, PROBES_B[4], PROBES_A[4]))

    direct.loses = lambda sent: sent.way is Way.DIRECT and sent.data[8:12] != stranger.number
    direct.run(4.2, forge)
    assert a.state(PODS_B) is not State.DIRECT
    assert set(a.refused) == {"unknown key"}


def test_a_path_for_short_packets_alone_is_never_taken(lan: Lan) -> None:
    lan.loses = lambda sent: len(sent.data) > 1400
    lan.run(60)
    assert both(lan, State.PROBING)()
    for node in lan.nodes.values():
        (peer,) = node.peers.all.values()
        assert "long ones do not" in peer.path.why


def test_and_left_when_it_has_become_one(direct: Lan) -> None:
    direct.loses = lambda sent: len(sent.data) > 1400
    took = direct.until(both(direct, State.HOLDDOWN), 60)
    assert 30 < took < 46


def test_words_that_are_old_count_no_more(direct: Lan) -> None:
    a = direct.nodes["a"]
    direct.loses = blocked(Way.NODE)
    direct.run(25)
    assert a.state(PODS_B) is State.DIRECT  # packets do arrive
    direct.until(lambda: a.state(PODS_B) is State.OVERLAY, 8)
    assert a.peer(PODS_B).path.why == "no agent answers on its node"


def test_a_peer_whose_pod_goes_while_it_is_held_down(direct: Lan) -> None:
    a, b = direct.nodes["a"], direct.nodes["b"]
    direct.loses = blocked(Way.DIRECT)
    direct.until(both(direct, State.HOLDDOWN), 6)
    probes, b.own = b.own, replace(b.own, probes={})
    b.look(direct.now)
    direct.run(60)
    assert a.state(PODS_B) is State.OVERLAY
    assert a.peer(PODS_B).path.why == "its agent has no pod to be probed"
    b.own = probes
    b.look(direct.now)
    direct.loses = lambda _: False
    direct.until(both(direct), 30)


def test_nodes_with_different_keys_do_not_know_each_other(lan: Lan) -> None:
    lan.nodes["b"].keys = Keys((Key.of(b"x" * 32),))
    lan.run(30)
    assert both(lan, State.OVERLAY)()
    for node in lan.nodes.values():
        assert {p.path.why for p in node.peers.all.values()} == {"its agent has another key"}
    lan.nodes["b"].keys = Keys((OTHER,))  # whose second key it is
    lan.nodes["a"].keys = Keys((OTHER, KEY))
    lan.until(both(lan), 30)


def test_an_agent_that_is_suspended_wakes_up_without_a_proof(direct: Lan) -> None:
    a, b = direct.nodes["a"], direct.nodes["b"]
    a.hangs = b.hangs = True
    direct.run(100)
    a.hangs = b.hangs = False
    direct.run(0.1)
    assert not a.peers.proofs()
    assert not b.peers.proofs()
