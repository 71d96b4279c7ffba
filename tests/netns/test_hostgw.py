"""rail-hostgw between real network stacks: packets are counted, and connections outlive it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.netns.cluster import Cluster
from tests.netns.flannel import OVERLAYS
from tests.netns.traffic import COUNT, Talk, counted, direct_to, listening, ping

pytestmark = pytest.mark.netns

RADIO = {"uplink": {"wireless": True}}
WIRED = {"uplink": {"wireless": False}}


@pytest.mark.parametrize("family", OVERLAYS)
def test_pods_of_a_wireless_node_are_no_longer_encapsulated(
    cluster: Cluster, tmp_path: Path, family: int
) -> None:
    one, two, three = cluster.nodes
    flannels = one.main()
    with counted(one) as overlay:
        assert ping(one, two, family) == COUNT
    assert overlay["sent"] >= COUNT
    assert overlay["received"] >= COUNT

    answer = one.call("ADD", tmp_path, **RADIO)
    assert answer == {"cniVersion": "1.1.0", "ips": [], "node": 1}
    assert one.direct() == direct_to(two, three)
    with counted(one) as mixed:
        assert ping(one, two, family) == COUNT
    assert mixed["sent"] == 0
    assert mixed["received"] >= COUNT  # the other end has no rail-hostgw yet

    two.call("ADD", tmp_path, **RADIO)
    with counted(one) as direct, counted(two) as others:
        assert ping(one, two, family) == COUNT
        assert ping(two, one, family) == COUNT
    assert direct == others == {"sent": 0, "received": 0}
    with counted(two) as still:
        assert ping(three, two, family) == COUNT
    assert still["received"] >= COUNT
    assert one.main() == flannels


def test_a_connection_outlives_each_switch_with_strict_filters_too(
    cluster: Cluster, tmp_path: Path
) -> None:
    one, two, _ = cluster.nodes
    for node in (one, two):
        node.sysctl("ipv4/conf/all/rp_filter", "1")
    with listening(two.pod):
        talk = Talk(one.pod, two.pod_address(4))
        try:
            with counted(one) as overlay:
                time.sleep(0.3)
            two.call("ADD", tmp_path, **WIRED)  # as on every node: it lets in what comes straight
            one.call("ADD", tmp_path, **RADIO)
            with counted(one) as mixed:
                time.sleep(0.3)
            two.call("ADD", tmp_path, mode="always")
            with counted(one) as direct:
                time.sleep(0.3)
            one.call("ADD", tmp_path, mode="off")
            with counted(one) as back:
                time.sleep(0.3)
            talked = talk.end()
        finally:
            talk.close()
    assert talked.count > 100
    assert talked.longest < 1, "a segment was lost and sent again"
    assert overlay["sent"] > 0
    assert overlay["received"] > 0
    assert mixed["sent"] == 0
    assert mixed["received"] > 0
    assert direct == {"sent": 0, "received": 0}
    assert back["sent"] > 0
    # Its peer still sends straight: filtered strictly again, the connection would hang.
    assert one.read_sysctl("ipv4/conf/eth0/rp_filter") == "2"


def test_a_peer_that_is_gone_is_withdrawn_by_the_next_add(cluster: Cluster, tmp_path: Path) -> None:
    one, two, three = cluster.nodes
    flannels = one.main()
    one.call("ADD", tmp_path, **RADIO)
    assert one.direct() == direct_to(two, three)
    cluster.lan.ip("link", "set", "port3", "down")
    assert one.direct() == direct_to(two, three)  # the home variant does not watch
    began = time.monotonic()
    one.call("ADD", tmp_path, **RADIO)
    assert time.monotonic() - began < 5
    assert one.direct() == direct_to(two)
    assert ping(one, two, 4) == COUNT
    cluster.lan.ip("link", "set", "port3", "up")
    one.call("DEL", tmp_path, **RADIO)
    assert one.direct() == direct_to(two, three)
    assert one.main() == flannels


def test_a_direct_path_takes_no_larger_packets_than_the_overlay(
    cluster: Cluster, tmp_path: Path
) -> None:
    one, two, _ = cluster.nodes
    one.call("ADD", tmp_path, **RADIO)
    way = one.host.ip("route", "get", two.pod_address(4))
    assert f"via {two.address(4)} dev eth0 table 142 src 10.42.1.0" in way
    assert "mtu 1450" in one.host.ip("route", "show", "table", "142")
    # From the host, too: its packets to pods keep the overlay's address as their source.
    one.host.run("ping", "-n", "-c", "2", "-i", "0.05", "-W", "1", two.pod_address(4))


def test_without_agentless_what_stands_is_taken_back(cluster: Cluster, tmp_path: Path) -> None:
    one, two, _ = cluster.nodes
    one.call("ADD", tmp_path, **RADIO)
    assert one.direct()
    one.call("STATUS", tmp_path, agentless=False)
    assert one.direct() == {}
    assert "142" not in one.host.ip("rule", "show") + one.host.ip("-6", "rule", "show")
    assert ping(one, two, 4) == COUNT
