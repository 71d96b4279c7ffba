"""Two nodes, as values: who is asked what, answered what, and believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest

from cni.agent.hostgw import echo
from cni.agent.hostgw.echo import LEAST, Echo, Kind, Way
from cni.agent.hostgw.path import State, Times
from cni.agent.hostgw.peers import NODE_SIZE
from cni.hostgw.terrain import Candidate
from cni.kernel.types import Address
from tests.unit.agent.hostgw.cluster import KEYS, OVERLAY, UPLINK, near
from tests.unit.agent.hostgw.lan import Lan, Sent
from tests.unit.agent.hostgw.pair import (
    PODS6_A,
    PODS6_B,
    PODS_A,
    PODS_B,
    PROBES_A,
    PROBES_B,
    A,
    B,
    both,
    nodes,
)


def test_both_go_direct_after_the_time_stated(lan: Lan) -> None:
    assert 20 <= lan.until(both(lan), 30) < 23
    for node in lan.nodes.values():
        (until,) = node.peers.proofs().values()
        assert lan.now < until <= lan.now + 4


def test_who_asks_seldom_goes_direct_as_well_and_stays_so() -> None:
    lan = nodes(times=Times(interval=60, up=600, limit=180))
    lan.until(both(lan), 1300)
    lan.run(300)
    assert both(lan)()


def test_a_proof_counts_from_the_sending_of_its_request(lan: Lan) -> None:
    lan.delay = lambda sent: 0.8 if sent.way is Way.DIRECT else 0.01
    lan.until(both(lan), 40)
    requests = {s.data: at for at, s in lan_times(lan)}
    assert requests  # below, each proof is one of theirs
    for node in lan.nodes.values():
        for peer in node.peers.all.values():
            assert peer.path.proof in set(requests.values())
            assert lan.now - peer.path.proof >= 1.5


def lan_times(lan: Lan) -> list[tuple[float, Sent]]:
    """Return when each direct request of another second was sent."""
    found: list[tuple[float, Sent]] = []
    for _ in range(30):
        seen = len(lan.record)
        lan.run(0.1)
        found += [
            (lan.now, sent)
            for sent in lan.record[seen:]
            if sent.way is Way.DIRECT and echo.unpack(sent.data, KEYS).kind is Kind.REQUEST
        ]
    return found


@pytest.mark.parametrize(
    "lie",
    [
        lambda e, s: (replace(e, sender=ip_address("192.168.1.99")), s),  # a stranger
        lambda e, s: (replace(e, receiver=ip_address("192.168.1.99")), s),  # for somebody else
        lambda e, _: (e, ip_address("10.42.9.9")),  # from another node's pod
        lambda e, _: (e, B),  # from a node, on a pod's way
    ],
)
def test_who_is_not_where_it_says_gets_no_answer(
    lan: Lan, lie: Callable[[Echo, Address], tuple[Echo, Address]]
) -> None:
    a = lan.nodes["a"]
    a.look(lan.now)
    true = Echo(Kind.REQUEST, Way.DIRECT, bytes(16), B, A)
    assert a.peers.take(true, PROBES_B[4], lan.now)
    assert a.peers.take(*lie(true, PROBES_B[4]), lan.now) is None
    node = replace(true, way=Way.NODE)
    assert a.peers.take(node, B, lan.now)
    assert a.peers.take(node, PROBES_B[4], lan.now) is None


def test_an_answer_goes_back_to_where_its_request_came_from(lan: Lan) -> None:
    a = lan.nodes["a"]
    a.look(lan.now)
    another_pod = ip_address("10.42.1.77")  # its probe may just have got another address
    answer = a.peers.take(Echo(Kind.REQUEST, Way.DIRECT, bytes(16), B, A), another_pod, lan.now)
    assert answer
    assert (answer.source, answer.target) == (PROBES_A[4], another_pod)
    answer = a.peers.take(Echo(Kind.REQUEST, Way.NODE, bytes(16), B, A), B, lan.now)
    assert answer
    assert (answer.source, answer.target) == (A, B)


def test_without_a_pod_of_its_own_only_the_node_is_answered(lan: Lan) -> None:
    a = lan.nodes["a"]
    a.own = replace(a.own, probes={})
    a.look(lan.now)
    assert a.peers.take(Echo(Kind.REQUEST, Way.NODE, bytes(16), B, A), B, lan.now)
    assert not a.peers.take(Echo(Kind.REQUEST, Way.DIRECT, bytes(16), B, A), PROBES_B[4], lan.now)


@pytest.mark.parametrize("radios", [(a, b) for a in (True, False) for b in (True, False)])
@pytest.mark.parametrize(
    "modes",
    [(a, b) for a in ("wifi", "always", "observe") for b in ("wifi", "always", "observe")],
)
def test_each_end_decides_by_its_mode(radios: tuple[bool, bool], modes: tuple[str, str]) -> None:
    lan = nodes(radios=radios, modes=modes)
    lan.run(26)
    for at, (name, cidr) in enumerate((("a", PODS_B), ("b", PODS_A))):
        node = lan.nodes[name]
        wants = any(radios) or modes[at] != "wifi"
        expected = State.OVERLAY if not wants else State.DIRECT
        if modes[at] == "observe":
            expected = State.PROBING
        assert node.state(cidr) is expected
        assert bool(node.peers.proofs()) is (expected is State.DIRECT)
        assert node.peer(cidr).is_wanted is wants


def test_who_observes_measures_all_ways(lan: Lan) -> None:
    lan = nodes(modes=("observe", "wifi"))
    lan.delay = lambda sent: 0.5 if sent.way is Way.OVERLAY else 0.01
    lan.run(60)
    measured = lan.nodes["a"].peer(PODS_B).talk.measured
    direct, overlay = measured[Way.DIRECT].figures(), measured[Way.OVERLAY].figures()
    assert direct.rtt is not None
    assert overlay.rtt is not None
    assert overlay.rtt > 3 * direct.rtt
    assert len(measured[Way.OVERLAY]._outcomes) >= 45


def test_a_peer_that_moves_is_another_one(direct: Lan) -> None:
    a = direct.nodes["a"]
    elsewhere = ip_address("192.168.1.12")
    a.candidates = {ip_network(PODS_B): near(PODS_B, elsewhere, A)}
    a.look(direct.now)
    assert a.peers.proofs() == {}
    assert a.state(PODS_B) is State.OVERLAY
    direct.run(5)  # it says nothing there, and whoever is at the old place is a stranger
    assert a.state(PODS_B) is State.OVERLAY


@pytest.mark.parametrize(
    "moved",
    [
        near(PODS_B, B, A, uplink=replace(UPLINK, index=9)),
        near(PODS_B, B, ip_address("192.168.1.77")),
        near(PODS_B, ip_address("192.168.1.12"), A),
    ],
)
def test_what_makes_it_another_one(direct: Lan, moved: Candidate) -> None:
    a = direct.nodes["a"]
    a.peer(PODS_B).path = replace(a.peer(PODS_B).path, hold=60.0)
    a.candidates = {ip_network(PODS_B): moved}
    a.look(direct.now)
    path = a.peer(PODS_B).path
    assert (path.state, path.hold) == (State.OVERLAY, 60.0)  # what was held against it stays


@pytest.mark.parametrize(
    "same",
    [
        near(PODS_B, B, A),
        near(PODS_B, B, A, uplink=replace(UPLINK, mtu=1400, carrier=False)),
        near(PODS_B, B, A, overlay=replace(OVERLAY, mtu=1400)),
    ],
)
def test_what_does_not(direct: Lan, same: Candidate) -> None:
    a = direct.nodes["a"]
    a.candidates = {ip_network(PODS_B): same}
    a.look(direct.now)
    assert a.state(PODS_B) is State.DIRECT
    assert a.peer(PODS_B).candidate is same


def test_who_is_no_candidate_any_more_is_told_why(direct: Lan) -> None:
    a = direct.nodes["a"]
    network = ip_network(PODS_B)
    a.reasons = {network: "its node is behind a router"}
    a.peers.see({}, a.reasons, a.own, direct.now)
    assert (a.peers.proofs(), dict(a.peers.all)) == ({}, {})
    assert a.peers.reasons == {network: "its node is behind a router"}
    assert list(a.peers.ask(direct.now + 100)) == []
    assert a.peers.take(Echo(Kind.REQUEST, Way.NODE, bytes(16), B, A), B, direct.now) is None


def test_a_restart_takes_all_proofs_away(direct: Lan) -> None:
    a = direct.nodes["a"]
    a.peers.restart(ip_network(PODS_B), "its direct way has just been made", direct.now)
    assert (a.state(PODS_B), a.peers.proofs()) == (State.PROBING, {})
    a.peers.restart(ip_network("10.99.0.0/24"), "whatever", direct.now)  # nobody
    assert direct.until(both(direct), 30) >= 19.9


def test_each_family_has_a_path_of_its_own() -> None:
    lan = nodes(dual=True)
    lan.until(both(lan), 30)
    lan.loses = lambda sent: sent.way is Way.DIRECT and sent.source.version == 6
    lan.run(4.5)
    for node, four, six in (("a", PODS_B, PODS6_B), ("b", PODS_A, PODS6_A)):
        assert lan.nodes[node].state(four) is State.DIRECT
        assert lan.nodes[node].state(six) is State.HOLDDOWN


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_networks_of_a_node_the_one_with_its_pod_goes_direct(lan: Lan, first: int) -> None:
    a = lan.nodes["a"]
    stated = [near(PODS_B, B, A), near("10.42.7.0/24", B, A)]
    a.candidates = {c.peer.cidr: c for c in (stated[first], stated[1 - first])}
    lan.until(lambda: a.state(PODS_B) is State.DIRECT, 30)
    assert a.state("10.42.7.0/24") is State.OVERLAY
    other = a.peer("10.42.7.0/24").path
    assert other.why == "its agent is probed at 10.42.1.9, which is in another network"
    b = lan.nodes["b"]
    for letter in b.peers.farewells():
        lan.send(b, letter)
    b.hangs = True
    lan.run(0.2)
    assert a.state(PODS_B) is State.OVERLAY
    assert a.peer(PODS_B).path.why == "its agent has said goodbye"


def test_one_in_ten_direct_requests_is_as_long_as_a_packet_may_be() -> None:
    lan = nodes(dual=True)
    lan.until(both(lan), 30)
    seen = len(lan.record)
    lan.run(62)
    lengths = {
        source: [
            len(sent.data)
            for sent in lan.record[seen:]
            if (sent.way, sent.source) == (Way.DIRECT, source)
            and echo.unpack(sent.data, KEYS).kind is Kind.REQUEST
        ]
        for source in PROBES_A.values()
    }
    for source, longest in ((PROBES_A[4], 1450 - 28), (PROBES_A[6], 1450 - 48)):
        assert Counter(lengths[source]).keys() == {LEAST, longest}
        assert lengths[source].count(longest) in {5, 6, 7}


def test_none_is_longer_than_what_a_pod_here_can_send() -> None:
    """A plugin may give pods less than the overlay takes: a longer one would never leave."""
    lan = nodes()
    for node in lan.nodes.values():
        node.own = replace(node.own, mtu=1400)
    lan.until(both(lan), 30)
    assert max(len(sent.data) for sent in lan.record if sent.way is Way.DIRECT) == 1400 - 28


def test_how_often_who_is_asked(direct: Lan) -> None:
    seen = len(direct.record)
    direct.run(60)
    asked = Counter(
        sent.way
        for sent in direct.record[seen:]
        if sent.source in {A, PROBES_A[4]} and echo.unpack(sent.data, KEYS).kind is Kind.REQUEST
    )
    assert asked[Way.NODE] in range(27, 32)  # while the direct way answers
    assert asked[Way.DIRECT] in range(54, 61)
    assert asked[Way.OVERLAY] in range(5, 8)


def test_who_does_not_answer_is_asked_seldom(lan: Lan) -> None:
    lan.loses = lambda _: True
    lan.run(60)
    from_a = [sent for sent in lan.record if sent.source == A]
    assert len(from_a) in range(11, 14)
    assert {(sent.way, len(sent.data)) for sent in from_a} == {(Way.NODE, NODE_SIZE)}


def test_requests_are_spread_as_their_answers_are(direct: Lan) -> None:
    times: list[float] = []
    for _ in range(100):
        seen = len(direct.record)
        direct.run(0.1)
        times += [
            direct.now
            for s in direct.record[seen:]
            if (s.way, s.source) == (Way.DIRECT, PROBES_A[4])
            and echo.unpack(s.data, KEYS).kind is Kind.REQUEST
        ]
    assert {round(after - before, 1) for before, after in pairwise(times)} <= {1.0, 1.1}
