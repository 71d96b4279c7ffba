"""What the kernel is to hold: each route, each rule and the table of marks."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from cni.agent.hostgw.settings import HostgwSettings
from cni.agent.hostgw.table import Plan, plan
from cni.hostgw.terrain import Candidate
from cni.kernel.marking import Marking
from cni.kernel.types import MAIN_TABLE, Network, Route, Rule
from tests.unit.agent.hostgw.cluster import OWN6, PEER, PEER6, near

PROBES = {4: ip_address("10.42.0.9"), 6: ip_address("fd42::9")}
OWN_PODS = frozenset({ip_network("10.42.0.0/24"), ip_network("fd42::/64")})
ANY, ANY6 = ip_network("0.0.0.0/0"), ip_network("::/0")
FOUR, SIX = near(), near("fd42:0:0:1::/64", PEER6, OWN6)
UDP = 17


def planned(
    *candidates: Candidate,
    known: tuple[Network, ...] | None = None,
    probes: Any = PROBES,
    sources: frozenset[Network] = OWN_PODS,
    **keys: Any,
) -> Plan:
    known = tuple(c.peer.cidr for c in candidates) if known is None else known
    settings = HostgwSettings.model_validate(keys)
    return plan(candidates, known, probes, sources, settings)


def test_one_peer() -> None:
    found = planned(FOUR)
    assert found.wanted.routes == (
        Route(
            ip_network("10.42.1.0/24"), 3, PEER, table=142, source=ip_address("10.42.0.0"),
            mtu=1450, protocol=142,
        ),
    )  # fmt: skip
    assert found.wanted.rules == (
        Rule(ANY, 142, 5000, protocol=142, mark=0x01000000, mask=0x01000000),
        Rule(ip_network("10.42.0.9/32"), 142, 4999, protocol=142, ip_protocol=UDP, port=9754),
        Rule(
            ip_network("10.42.0.9/32"), 142, 4999, protocol=142, ip_protocol=UDP, source_port=9754
        ),
        Rule(
            ip_network("10.42.0.9/32"), MAIN_TABLE, 4998, protocol=142, ip_protocol=UDP, port=9755
        ),
    )
    assert found.marking == Marking("rail-hostgw", 0x01000000, frozenset({(4, 24)}), OWN_PODS)


def test_both_families() -> None:
    found = planned(FOUR, SIX)
    assert [(r.dst, r.gateway, r.source, r.priority) for r in found.wanted.routes] == [
        (FOUR.peer.cidr, PEER, ip_address("10.42.0.0"), 0),
        (SIX.peer.cidr, PEER6, ip_address("fd42::"), 1024),
    ]
    assert [(r.source, r.table, r.priority, r.port, r.source_port) for r in found.wanted.rules] == [
        (ANY, 142, 5000, 0, 0),
        (ip_network("10.42.0.9/32"), 142, 4999, 9754, 0),
        (ip_network("10.42.0.9/32"), 142, 4999, 0, 9754),
        (ip_network("10.42.0.9/32"), 254, 4998, 9755, 0),
        (ANY6, 142, 5000, 0, 0),
        (ip_network("fd42::9/128"), 142, 4999, 9754, 0),
        (ip_network("fd42::9/128"), 142, 4999, 0, 9754),
        (ip_network("fd42::9/128"), 254, 4998, 9755, 0),
    ]
    assert found.marking
    assert found.marking.sizes == {(4, 24), (6, 64)}


def test_the_numbers_are_the_operators() -> None:
    found = planned(FOUR, table=1142, priority=3, mark=0x80, port=9000)
    assert {route.table for route in found.wanted.routes} == {1142}
    assert [
        (r.table, r.priority, r.mark, r.mask, r.port, r.source_port) for r in found.wanted.rules
    ] == [
        (1142, 3, 0x80, 0x80, 0, 0),
        (1142, 2, 0, 0, 9000, 0),
        (1142, 2, 0, 0, 0, 9000),
        (254, 1, 0, 0, 9001, 0),
    ]
    assert found.marking
    assert found.marking.mark == 0x80


def test_without_a_pod_of_its_own_nothing_is_probed() -> None:
    assert len(planned(FOUR, SIX, probes={4: PROBES[4]}).wanted.rules) == 5
    assert {rule.mark for rule in planned(FOUR, SIX, probes={}).wanted.rules} == {0x01000000}


def test_who_only_watches_marks_nothing() -> None:
    found = planned(FOUR, SIX, mode="observe")
    assert found.marking is None
    assert {(rule.mark, rule.mask) for rule in found.wanted.rules} == {(0, 0)}
    assert {(rule.port, rule.source_port) for rule in found.wanted.rules} == {
        (9754, 0), (0, 9754), (9755, 0)
    }  # fmt: skip
    assert found.wanted.routes == planned(FOUR, SIX).wanted.routes


def test_without_a_wanted_peer_there_is_neither_route_nor_rule() -> None:
    found = planned(known=(FOUR.peer.cidr,))
    assert (found.wanted.routes, found.wanted.rules) == ((), ())
    assert found.marking  # which stays ready, and is empty


def test_without_any_peer_there_is_nothing() -> None:
    assert planned() == Plan(planned().wanted, None)
    assert planned().wanted.routes == ()


def test_where_nothing_is_from_nothing_is_marked() -> None:
    assert planned(FOUR, SIX, probes={}, sources=frozenset()).marking is None


@pytest.mark.parametrize("mode", ["wifi", "observe"])
def test_every_rule_is_recognised_as_ours_and_none_leads_pods_into_main(mode: str) -> None:
    for rule in planned(FOUR, SIX, mode=mode).wanted.rules:
        assert rule.protocol == 142
        assert rule.mark or rule.port or rule.source_port  # nothing of ours is about every packet
        assert rule.priority < 32766
        assert rule.table == 142 or rule.port
