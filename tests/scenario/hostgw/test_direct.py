"""Which pod networks go straight, when, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from cni.kernel.types import Route, Rule
from tests.scenario.hostgw.worlds import (
    OVERLAY,
    OVERLAY6,
    PEERS,
    RESULT,
    UPLINK,
    World,
)

RULES = {("10.42.0.0/22", 142, 5000), ("fd00:42:1::/64", 142, 5000)}


def added(world: World, **given: Any) -> None:
    reply = world.call(**given)
    assert (reply.exit_code, reply.document) == (0, RESULT)


def test_proven_peers_go_straight_and_main_is_as_it_was(radio: World) -> None:
    before = radio.main()
    added(radio)
    assert radio.direct() == PEERS
    assert radio.rules() == RULES
    assert radio.main() == before
    uplink = radio.link(UPLINK).index
    assert {(r.index, str(r.source), r.mtu) for r in radio.host.table(142)} == {
        (uplink, "10.42.0.0", 1450),
        (uplink, "fd00:42::", 1450),
    }


def test_a_second_add_changes_nothing(radio: World) -> None:
    added(radio)
    before = (radio.host.table(142), radio.host.rules())
    added(radio)
    assert (radio.host.table(142), radio.host.rules()) == before


def test_a_wired_uplink_stays_with_the_overlay(world: World) -> None:
    added(world)
    assert (world.direct(), world.rules()) == ({}, set())


@pytest.mark.parametrize("given", [{"mode": "always"}, {"uplink": {"wireless": True}}])
def test_unless_the_configuration_says_else(world: World, given: dict[str, Any]) -> None:
    added(world, **given)
    assert world.direct() == PEERS


@pytest.mark.parametrize(
    "given",
    [
        {"mode": "off"},
        {"agentless": False},
        {"uplink": {"wireless": False}},
        {"uplink": {"name": "eth7"}},
        {"overlay": [UPLINK]},
        {"overlay": ["nothing0"]},
    ],
)
def test_what_stood_is_withdrawn(radio: World, given: dict[str, Any]) -> None:
    added(radio)
    assert radio.direct() == PEERS
    added(radio, **given)
    assert (radio.direct(), radio.rules()) == ({}, set())


@pytest.mark.parametrize("command", ["ADD", "DEL", "GC", "STATUS"])
def test_a_silent_peer_takes_the_overlay_from_the_next_request_on(
    radio: World, command: str
) -> None:
    added(radio)
    radio.vanish("192.168.1.11")
    assert radio.call(command).exit_code == 0
    assert radio.direct() == {cidr: node for cidr, node in PEERS.items() if node != "192.168.1.11"}
    radio.appear("192.168.1.11")
    assert radio.call(command).exit_code == 0
    assert radio.direct() == PEERS


def test_without_any_peer_there_is_no_rule(radio: World) -> None:
    added(radio)
    for address in PEERS.values():
        radio.vanish(address)
    added(radio)
    assert (radio.direct(), radio.rules()) == ({}, set())


def test_what_others_have_put_into_the_table_stays(radio: World) -> None:
    host, uplink = radio.host, radio.link(UPLINK).index
    by = ip_address("192.168.1.1")
    taken = Route(ip_network("10.42.2.0/24"), uplink, by, table=142, protocol=99)
    other = Route(ip_network("203.0.113.0/24"), uplink, by, table=142, protocol=4)
    rule = Rule(ip_network("0.0.0.0/0"), 142, 4999, ip_network("203.0.113.0/24"), 99)
    elsewhere = replace(rule, table=143, protocol=142)
    for route in (taken, other):
        host.add_route(route)
    for one in (rule, elsewhere):
        host.add_rule(one)
    added(radio)
    assert radio.direct().keys() == PEERS.keys() - {"10.42.2.0/24"}
    added(radio, mode="off")
    assert set(host.table(142)) == {taken, other}
    assert {rule, elsewhere} <= set(host.rules())


def test_a_former_table_is_emptied(radio: World) -> None:
    added(radio)
    added(radio, table=1142, priority=4000, podNetworks=["10.42.0.0/16"])
    assert (radio.direct(), radio.direct(1142)) == ({}, PEERS)
    assert radio.rules() == {("10.42.0.0/16", 1142, 4000), ("fd00:42:1::/64", 1142, 4000)}


def test_a_list_of_peers_counts_instead(radio: World) -> None:
    radio.appear("192.168.1.13")
    stated = [
        {"cidr": "10.42.1.0/24", "address": "192.168.1.13"},
        {"cidr": "10.43.7.0/24", "address": "192.168.1.12"},  # which main does not know
    ]
    added(radio, peers=stated)
    assert radio.direct() == {"10.42.1.0/24": "192.168.1.13"}


def test_what_overlaps_is_left_out(radio: World) -> None:
    host, uplink = radio.host, radio.link(UPLINK).index
    host.add_route(Route(ip_network("10.42.2.128/25"), uplink, ip_address("192.168.1.1")))
    host.add_route(Route(ip_network("0.0.0.0/0"), uplink, ip_address("192.168.1.1")))
    radio.join("192.168.1.128/25", "192.168.1.11")
    added(radio)
    assert radio.direct().keys() == {"10.42.1.0/24", "fd00:42:1::/64"}


def test_a_node_behind_a_router_takes_the_overlay(radio: World) -> None:
    host, uplink = radio.host, radio.link(UPLINK).index
    host.add_route(Route(ip_network("0.0.0.0/0"), uplink, ip_address("192.168.1.1")))
    radio.join("10.42.3.0/24", "203.0.113.3")
    added(radio)
    assert radio.direct() == PEERS


def test_filters_are_loosened_and_put_back(radio: World) -> None:
    host = radio.host
    for device, value in ((UPLINK, "0"), (OVERLAY, "0"), (OVERLAY6, "1")):
        host.set_sysctl(f"ipv4/conf/{device}/rp_filter", value)
    added(radio)
    added(radio)
    assert [radio.filter(name) for name in (UPLINK, OVERLAY, OVERLAY6)] == ["2", "2", "1"]
    added(radio, agentless=False)
    assert radio.filter(UPLINK) == "2"
    host.set_sysctl(f"ipv4/conf/{OVERLAY}/rp_filter", "1")  # by somebody else, since
    added(radio, mode="off")
    assert [radio.filter(name) for name in (UPLINK, OVERLAY, OVERLAY6)] == ["0", "1", "1"]


@pytest.mark.parametrize(("of_all", "before"), [("0", "1"), ("1", "0"), ("1", "1")])
def test_a_strict_filter_is_not_put_back_while_peers_may_send_straight(
    radio: World, caplog: pytest.LogCaptureFixture, of_all: str, before: str
) -> None:
    radio.host.set_sysctl("ipv4/conf/all/rp_filter", of_all)
    radio.host.set_sysctl(f"ipv4/conf/{UPLINK}/rp_filter", before)
    added(radio)
    added(radio, mode="off")
    assert radio.filter(UPLINK) == "2"
    assert f"sysctl -w net/ipv4/conf/{UPLINK}/rp_filter={before}" in caplog.text
    radio.host.set_sysctl("ipv4/conf/all/rp_filter", "2")
    added(radio, mode="off")
    assert radio.filter(UPLINK) == before


def test_a_wired_node_lets_in_what_others_send_straight(world: World) -> None:
    world.host.set_sysctl(f"ipv4/conf/{UPLINK}/rp_filter", "1")
    added(world)
    assert (world.direct(), world.filter(UPLINK)) == ({}, "2")
