"""rail-hostgw with agents: which pods go straight, and what outlives the switch."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import combinations

import pytest

from tests.netns.agent import wait_until
from tests.netns.cluster import Node
from tests.netns.conftest import TIMES
from tests.netns.flannel import OVERLAYS
from tests.netns.namespace import Namespace
from tests.netns.scene import DIRECT, Scene
from tests.netns.traffic import COUNT, PORT, Talk, counted, encapsulated, listening, ping
from tests.netns.troubles import agent_is_upgraded, direct_path_is_blocked

pytestmark = pytest.mark.netns

ALL, NONE = {"sent": COUNT, "received": COUNT}, {"sent": 0, "received": 0}
KNOWN = 10.0
"""Seconds from an agent's start until all others know of it: they ask every five."""
STALL = 1.0
"""Seconds that nothing but a lost segment takes, however busy the machine."""
NODE_PORT = 30080


@contextmanager
def talks(*places: tuple[Namespace, str, int]) -> Iterator[list[Talk]]:
    """Have connections to such addresses and ports."""
    with ExitStack() as ending:
        begun = []
        for place in places:
            begun.append(Talk(*place))
            ending.callback(begun[-1].close)
        yield begun


def to_pod(source: Namespace, target: Node) -> tuple[Namespace, str, int]:
    """Return where a connection to a node's pod begins and ends."""
    return source, target.pod_address(4), PORT


def assert_encapsulated(scene: Scene, one: Node, other: Node, expected: dict[str, int]) -> None:
    """Count what is encapsulated of pings from one pod to another."""
    for family in OVERLAYS:
        with encapsulated(one, other, family) as counted:
            assert ping(one, other, family) == COUNT
        assert counted == expected, (scene.unsettled(), family)


def test_pods_go_straight_where_an_end_is_wireless(clusters: Scene) -> None:
    one, two, three, _ = clusters.nodes
    clusters.stop()
    assert_encapsulated(clusters, one, two, ALL)
    places = to_pod(one.pod, two), to_pod(one.pod, three)
    with listening(two.pod), listening(three.pod), talks(*places) as connections:
        clusters.run()
        took = wait_until(lambda: not clusters.unsettled(), lambda: f"{clusters.unsettled()}")
        for pair in combinations(clusters.nodes, 2):
            wireless = any(clusters.is_wireless(node) for node in pair)
            assert_encapsulated(clusters, *pair, NONE if wireless else ALL)
        for connection in connections:
            assert connection.end().longest < STALL
    assert took < KNOWN + TIMES["up"]
    assert clusters.ours_in_main() == []


def test_a_connection_outlives_an_upgrade_and_hardly_feels_it(scene: Scene) -> None:
    one, two, *_ = scene.nodes
    with listening(two.pod), talks(to_pod(one.pod, two)) as (connection,):
        with agent_is_upgraded(scene):
            scene.settle()
        assert connection.end().longest < STALL


def test_a_connection_outlives_a_path_that_is_blocked(scene: Scene) -> None:
    one, two, *_ = scene.nodes
    with listening(two.pod), talks(to_pod(one.pod, two)) as (connection,):
        with direct_path_is_blocked(scene):
            scene.wait_for(one, two, "holddown")
            scene.wait_for(two, one, "holddown")
            assert_encapsulated(scene, one, two, ALL)
        scene.settle()
        assert_encapsulated(scene, one, two, NONE)
        assert connection.end().count > 100


def test_what_an_agent_has_marked_expires_while_it_hangs(scene: Scene) -> None:
    one, two, *_ = scene.nodes
    found = {}

    def is_encapsulated() -> bool:
        with encapsulated(two, one, 4) as found[4], encapsulated(two, one, 6) as found[6]:
            for family in OVERLAYS:
                assert ping(two, one, family, 1) == 1
        return all(counted["sent"] == 1 for counted in found.values())

    assert not is_encapsulated()
    scene.agents[1].send(signal.SIGSTOP)
    try:
        assert wait_until(is_encapsulated, lambda: f"{found}") < TIMES["limit"] + STALL
        assert two.direct()  # nobody has taken back the routes
    finally:
        scene.agents[1].send(signal.SIGCONT)


def test_translated_connections_stay_on_the_overlay_and_all_outlive_a_switch(
    scene: Scene,
) -> None:
    one, two, *_ = scene.nodes
    scene.stop()
    scene.cluster.lan.ip("address", "replace", "192.168.1.1/24", "dev", "lan")
    port = (one.address(4), NODE_PORT)
    translated = (scene.cluster.lan, *port), (one.host, *port)
    places = *translated, to_pod(one.host, two), to_pod(one.pod, two)
    with node_port(one, two), listening(two.pod):
        with talks(*places) as connections:
            scene.settle()
            for connection in connections:
                assert connection.end().longest < STALL
        for place, is_encapsulated in zip(places, (True, True, False, False), strict=True):
            with counted(one) as overlay, talks(place) as (connection,):
                time.sleep(1)
                exchanges = connection.end().count
            assert exchanges > 40
            assert (overlay["sent"] > exchanges) is is_encapsulated


@contextmanager
def node_port(node: Node, target: Node) -> Iterator[None]:
    """Have a node hand its port on to another node's pod, in its own name, as kube-proxy does."""
    pod = target.pod_address(4)
    hands_on = ("-d", node.address(4), "-p", "tcp", "--dport", str(NODE_PORT),
                "-j", "DNAT", "--to-destination", f"{pod}:{PORT}")  # fmt: skip
    rules = (
        ("PREROUTING", *hands_on),
        ("OUTPUT", *hands_on),
        ("POSTROUTING", "-s", "192.168.1.0/24", "-d", pod, "-j", "MASQUERADE"),
    )  # fmt: skip
    with ExitStack() as ending:
        for rule in rules:
            node.host.run("iptables", "-t", "nat", "-A", *rule)
            ending.callback(node.host.run, "iptables", "-t", "nat", "-D", *rule)
        yield


def test_a_wired_pair_stays_on_the_overlay_and_says_why(scene: Scene) -> None:
    _, _, three, four = scene.nodes
    assert scene.state(three, four) == "overlay: both ends are wired"
    assert scene.state(three, scene.nodes[0]).startswith(DIRECT)
