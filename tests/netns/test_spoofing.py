"""Who sends in a pod's name: somebody else on the LAN is kept out, and the pod itself never is."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from netns import NetNS

from cni.agent.hostgw.guard import LASTING
from cni.hostgw.decision import GUARDS
from cni.kernel.linux import LinuxKernel
from tests.netns.agent import wait_until
from tests.netns.cluster import Node
from tests.netns.conftest import TIMES
from tests.netns.flannel import OVERLAYS, UPLINK
from tests.netns.namespace import Namespace, run
from tests.netns.scene import DIRECT, Scene, Site, streams
from tests.netns.traffic import COUNT, PORT, encapsulated, ping

pytestmark = pytest.mark.netns

FAMILIES = pytest.mark.parametrize("family", OVERLAYS)
SLACK = 1.5
"""Seconds that a busy machine needs for what takes no time."""
FAMILY_OF = {4: socket.AF_INET, 6: socket.AF_INET6}
LENGTHS = {4: 32, 6: 128}
NEW_MAC = "02:42:00:00:00:99"
_numbers = itertools.count()


class Stranger:
    """Somebody on the LAN who has the address of a pod of the second node, and a MAC of his own."""

    def __init__(self, scene: Scene) -> None:
        self.namespace = Namespace(f"{scene.cluster.name}-stranger")
        self._target, self._victim = scene.nodes[:2]
        self._lan = scene.cluster.lan

    def start(self) -> None:
        """Be there, and know the first node."""
        run("ip", "netns", "add", self.namespace.name)
        peer = ("peer", "name", UPLINK, "netns", self.namespace.name)
        self._lan.ip("link", "add", "stranger", "master", "lan", "type", "veth", *peer)
        self._lan.ip("link", "set", "stranger", "up")
        self.namespace.ip("link", "set", UPLINK, "up")
        for family in OVERLAYS:
            gateway, stolen = self._target.address(family), self._victim.pod_address(family)
            given = ("address", "add", f"{stolen}/{LENGTHS[family]}", "dev", UPLINK)
            self.namespace.ip(*given, *(("nodad",) if family == 6 else ()))
            known = ("neighbour", "add", gateway, "lladdr", mac(self._target), "dev", UPLINK)
            self.namespace.ip(*known)
            way = ("via", gateway, "dev", UPLINK, "onlink")
            network = self._target.pod_network(family)
            self.namespace.ip(f"-{family}", "route", "add", network, *way)

    def delete(self) -> None:
        """Be gone."""
        run("ip", "netns", "delete", self.namespace.name)

    def reaches(self, family: int) -> int:
        """Send some packets to the first node's pod; return how many have come there.

        The last one is the second node's pod's own: when it is there, so are those before.
        """
        own = self._victim.pod_address(family)
        stolen, real = (f"{whose} {next(_numbers)}".encode() for whose in ("stolen", "real"))
        with ExitStack() as ending:
            listener = _socket(self._target.pod, family, "")
            senders = [_socket(space, family, own) for space in (self.namespace, self._victim.pod)]
            for one in (listener, *senders):
                ending.enter_context(closing(one))
            place = (self._target.pod_address(family), PORT)
            for _ in range(COUNT):
                senders[0].sendto(stolen, place)
            senders[1].sendto(real, place)
            came = list(iter(lambda: listener.recv(100), real))
        assert set(came) <= {stolen}
        return len(came)


def _socket(namespace: Namespace, family: int, address: str) -> socket.socket:
    with NetNS(nsname=namespace.name):
        made = socket.socket(FAMILY_OF[family], socket.SOCK_DGRAM)
    made.settimeout(5)
    made.bind((address, PORT))
    return made


def mac(node: Node) -> str:
    """Return the MAC of a node's uplink."""
    (shown,) = node.host.show("link", "show", UPLINK)
    return str(shown["address"])


def guarded(node: Node) -> dict[str, str]:
    """Return which pod networks a node guards, and the MAC of each."""
    with LinuxKernel().open(f"/run/netns/{node.host.name}") as host:
        return {str(network): origin.mac for network, origin in host.guarded(GUARDS).items()}


def expected(scene: Scene, node: Node) -> dict[str, str]:
    """Return what a node is to guard: of those that a direct path is wanted to."""
    return {
        other.pod_network(family): mac(other)
        for other in scene.cluster.others(node)
        for family in OVERLAYS
        if scene.is_wireless(node) or scene.is_wireless(other)
    }


def restart(scene: Scene, **more: Any) -> None:
    """Have all agents running with other settings, and every path that can be direct be so."""
    scene.stop()
    for agent in scene.agents:
        agent.start(**more)
    scene.settle()


@pytest.fixture(scope="module")
def stranger(clusters: Scene) -> Iterator[Stranger]:
    """Him."""
    made = Stranger(clusters)
    try:
        made.start()
        yield made
    finally:
        made.delete()


@pytest.fixture
def guarding(clusters: Scene) -> Scene:
    """Agents that guard, and direct paths wherever one is to be."""
    restart(clusters, spoofGuard=True)

    def amiss() -> list[str]:
        nodes = clusters.nodes
        return [f"{n.number}: {guarded(n)}" for n in nodes if guarded(n) != expected(clusters, n)]

    wait_until(lambda: not amiss(), lambda: f"{amiss()}")
    return clusters


@FAMILIES
def test_without_a_guard_anybody_sends_in_a_pods_name(
    scene: Scene, stranger: Stranger, family: int
) -> None:
    assert guarded(scene.nodes[0]) == {}
    assert stranger.reaches(family) == COUNT


def test_with_it_only_the_pod_itself_does_and_goes_straight(
    guarding: Scene, stranger: Stranger
) -> None:
    one, two, *_ = guarding.nodes
    for family in OVERLAYS:
        assert stranger.reaches(family) == 0
        with encapsulated(two, one, family) as counted:
            assert ping(two, one, family) == COUNT
        assert counted == {"sent": 0, "received": 0}


def test_a_new_mac_costs_the_direct_path_until_it_is_known_and_no_more(
    guarding: Scene, stranger: Stranger
) -> None:
    one, two, *_ = guarding.nodes
    network = two.pod_network(4)
    with streams(guarding) as end:
        for site in (guarding, guarding.control):
            take_mac(site, NEW_MAC)
        guarding.wait_for(one, two, "holddown", "probing")
        wait_until(lambda: guarded(one)[network] == NEW_MAC, lambda: f"{guarded(one)}")
        guarding.settle()
        ours, control = end()
    assert guarding.state(one, two).startswith(DIRECT)
    assert ours.gap <= control.gap + TIMES["limit"] + SLACK, (ours, control)
    for family in OVERLAYS:
        assert stranger.reaches(family) == 0


def take_mac(site: Site, address: str) -> None:
    """Let the second node have another MAC, and tell its neighbours so."""
    two = site.nodes[1]
    two.sysctl(f"ipv4/conf/{UPLINK}/arp_notify", "1")
    two.sysctl(f"ipv6/conf/{UPLINK}/ndisc_notify", "1")
    two.host.ip("link", "set", UPLINK, "address", address)


def test_an_agent_that_ends_guards_nothing_any_more(guarding: Scene, stranger: Stranger) -> None:
    guarding.stop()
    for node in guarding.nodes:
        assert guarded(node) == {}
    assert stranger.reaches(4) == COUNT


def test_an_agent_takes_away_what_one_before_has_left(guarding: Scene) -> None:
    agent, node = guarding.agents[0], guarding.nodes[0]
    agent.kill()
    assert guarded(node) == expected(guarding, node)

    agent.start()
    took = wait_until(lambda: guarded(node) == {}, lambda: f"{guarded(node)}")
    assert took < LASTING / 2  # it has not just expired
