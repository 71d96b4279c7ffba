"""News: what is told of changes, and what is not."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network

import pytest

from cni.kernel import netlink
from cni.kernel.interface import Namespace
from cni.kernel.netns import NetnsThread
from cni.kernel.types import Link, Route, Rule
from cni.kernel.watching import News, Watch
from tests.contract.kernel.worlds import HOST, LinuxWorld, World, get, inside, ip

MAC = "02:00:00:00:01:01"
THERE, THERE6 = "10.42.1.0", "fd00:42:1::"
SUBNET, SUBNET6 = ip_network("10.61.0.0/16"), ip_network("fd00:61::/64")
RULE = Rule(ip_network("0.0.0.0/0"), 142, 5000)
RULE6 = Rule(ip_network("::/0"), 142, 5000)


@dataclass
class Scene:
    """A link that is up, and a tunnel, whose news is watched."""

    world: World
    pod: Namespace
    link: Link
    peer: Link
    tunnel: Link

    @property
    def path(self) -> str:
        return self.pod.path


@pytest.fixture
def calm(pod: Namespace) -> Namespace:
    """A namespace where no address is news by itself, a second later."""
    for group in ("all", "default"):
        pod.set_sysctl(f"ipv6/conf/{group}/accept_dad", "0")
    return pod


@pytest.fixture
def scene(
    world: World, calm: Namespace, pod: Namespace, pair: tuple[Link, Link], up: Link
) -> Scene:
    assert calm is pod
    tunnel = get(pod, world.tunnel(pod.path))
    return Scene(world, pod, up, pair[1], tunnel)


@pytest.fixture
def watch(scene: Scene) -> Iterator[Watch]:
    """A subscription, when all has come to rest."""
    with scene.pod.watch() as opened:
        deadline = time.monotonic() + 5
        while select.select([opened], [], [], 0.1)[0] and time.monotonic() < deadline:
            opened.read()
        yield opened


def told(watch: Watch, expected: News, seconds: float = 5) -> set[News]:
    """Return what is told until something is."""
    found: set[News] = set()
    deadline = time.monotonic() + seconds
    while expected not in found:
        left = deadline - time.monotonic()
        assert left > 0, f"only {found}"
        select.select([watch], [], [], left)
        found |= watch.read()
    return found


def told_before_a_rule(watch: Watch, scene: Scene) -> set[News]:
    """Return what is told until a rule comes, which comes last."""
    scene.pod.add_rule(RULE)
    return told(watch, News.RULE) - {News.RULE}


CHANGES: list[tuple[News, Callable[[Scene], object]]] = [
    (News.LINK, lambda s: s.pod.set_down(s.link.index)),
    (News.LINK, lambda s: s.pod.set_down(s.peer.index)),  # its carrier
    (News.LINK, lambda s: s.pod.set_up(s.tunnel.index)),
    (News.LINK, lambda s: s.pod.set_mtu(s.link.index, 1400)),
    (News.LINK, lambda s: s.pod.set_mac(s.link.index, MAC)),
    (News.LINK, lambda s: s.pod.rename(s.tunnel.index, s.world.name())),
    (News.LINK, lambda s: s.pod.add_altname(s.link.index, "other")),
    (News.LINK, lambda s: s.world.veth(s.path)),
    (News.LINK, lambda s: s.world.delete_link(s.link.name, s.path)),
    (News.LINK, lambda s: s.world.enslave(s.link.name, s.world.bridge(s.path), s.path)),
    (News.ADDRESS, lambda s: s.pod.add_address(s.link.index, ip_interface("10.60.0.9/32"))),
    (News.ADDRESS, lambda s: s.pod.add_address(s.link.index, ip_interface("fd00::9/128"))),
    (News.ADDRESS, lambda s: s.pod.set_down(s.link.index)),  # IPv6's
    (News.ADDRESS, lambda s: s.world.delete_link(s.link.name, s.path)),
    (News.ROUTE, lambda s: s.pod.add_route(Route(SUBNET, s.link.index))),
    (News.ROUTE, lambda s: s.pod.add_route(Route(SUBNET6, s.link.index, table=142))),
    (News.ROUTE, lambda s: s.pod.set_down(s.link.index)),  # IPv6's
    (News.RULE, lambda s: s.pod.add_rule(RULE)),
    (News.RULE, lambda s: s.pod.add_rule(RULE6)),
    (News.NEIGHBOUR, lambda s: s.world.know(s.link.name, THERE, MAC, s.path)),
    (News.NEIGHBOUR, lambda s: s.world.know(s.tunnel.name, THERE6, MAC, s.path)),
    (News.NEIGHBOUR, lambda s: s.world.lead(s.tunnel.name, MAC, "192.168.1.11", s.path)),
]


@pytest.mark.parametrize(("news", "change"), CHANGES)
def test_what_changes_is_told(
    scene: Scene, watch: Watch, news: News, change: Callable[[Scene], object]
) -> None:
    assert not select.select([watch], [], [], 0)[0]
    change(scene)

    assert news in told(watch, news)


def test_what_is_removed_is_told(scene: Scene) -> None:
    route = Route(SUBNET, scene.link.index, scope=253)
    scene.pod.add_route(route)
    scene.pod.add_rule(RULE)
    scene.world.know(scene.link.name, THERE, MAC, scene.path)
    with scene.pod.watch() as watch:
        scene.pod.remove_route(route)
        assert told(watch, News.ROUTE)
        scene.pod.remove_rule(RULE)
        assert told(watch, News.RULE)
        scene.world.forget(scene.link.name, THERE, scene.path)
        assert told(watch, News.NEIGHBOUR)


def test_what_comes_later_is_told(scene: Scene) -> None:
    scene.pod.set_down(scene.peer.index)
    with scene.pod.watch() as watch:
        scene.world.connect_later(scene.peer.name, scene.path, 0.05)
        assert scene.pod.wait_for_carrier(scene.link.index, 2)
        assert told(watch, News.LINK)


def test_it_is_told_once(scene: Scene, watch: Watch) -> None:
    assert watch.read() == frozenset()
    scene.pod.add_rule(RULE)
    assert select.select([watch], [], [], 5)[0]
    assert watch.read() == {News.RULE}

    assert not select.select([watch], [], [], 0.05)[0]
    assert watch.read() == frozenset()


def test_much_is_told_at_once(scene: Scene, watch: Watch) -> None:
    scene.pod.add_route(Route(SUBNET, scene.link.index))
    for rule in (RULE, RULE6):
        scene.pod.add_rule(rule)

    assert told(watch, News.RULE) == {News.ROUTE, News.RULE}


def test_neighbours_that_are_asked_for_are_no_news(scene: Scene, watch: Watch) -> None:
    scene.world.know(scene.link.name, THERE, MAC, scene.path, permanent=False)
    scene.world.know(scene.link.name, THERE6, MAC, scene.path, permanent=False)
    scene.world.forget(scene.link.name, THERE, scene.path)

    assert told_before_a_rule(watch, scene) == set()


def test_other_namespaces_are_no_news(scene: Scene, watch: Watch) -> None:
    other = scene.world.namespace()
    scene.world.veth(other)
    with scene.world.kernel.open(other) as elsewhere, elsewhere.watch() as another:
        elsewhere.add_rule(RULE6)
        assert told(another, News.RULE)
        assert told_before_a_rule(watch, scene) == set()
        assert another.read() == frozenset()


def test_a_namespace_is_watched_by_several(scene: Scene, watch: Watch) -> None:
    with scene.pod.watch() as another:
        scene.pod.add_rule(RULE)
        assert told(another, News.RULE)
    scene.pod.add_rule(RULE6)

    assert told(watch, News.RULE)


def test_the_host_is_watched(world: World) -> None:
    with world.kernel.host.watch() as watch:
        world.veth(HOST)
        assert told(watch, News.LINK)


@pytest.mark.netns
def test_when_too_much_has_come_all_is_news(linux: LinuxWorld) -> None:
    path = linux.namespace()
    name = linux.tunnel(path)
    ip(*inside(path), "link", "set", name, "up")
    words = [f"rule add to 10.{n >> 8}.{n & 255}.0/24 lookup 142 priority 99" for n in range(6000)]
    with linux.kernel.open(path) as pod, pod.watch() as watch:
        batch = "\n".join([*words, *(word.replace("add", "delete") for word in words)])
        command = ["ip", *inside(path), "-batch", "-"]
        subprocess.run(command, input=batch, check=True, text=True, timeout=60)
        linux.know(name, THERE, MAC, path)
        assert watch.read() == set(News)
        assert watch.read() == frozenset()

        linux.forget(name, THERE, path)  # that it was there, it has not been told
        assert watch.read() == {News.NEIGHBOUR}


@pytest.mark.netns
def test_what_a_bridge_learns_is_no_news(linux: LinuxWorld) -> None:
    path = linux.namespace()
    bridge, (port, end) = linux.bridge(path), linux.veth(path)
    linux.enslave(port, bridge, path)
    for name in (bridge, port, end):
        ip(*inside(path), "link", "set", name, "up")
    with linux.kernel.open(path) as pod, pod.watch() as watch:
        entry = [MAC, "dev", port, "master", "dynamic"]
        subprocess.run(["bridge", *inside(path), "fdb", "add", *entry], check=True, timeout=10)
        pod.add_rule(RULE)
        assert News.NEIGHBOUR not in told(watch, News.RULE)


@pytest.mark.netns
def test_only_the_kernel_is_believed(linux: LinuxWorld) -> None:
    """A pod with CAP_NET_ADMIN can send to a group of its namespace, and to whoever listens."""
    path = linux.namespace()
    forged = netlink.message(16, 0, bytes(16))  # RTM_NEWLINK
    with linux.kernel.open(path) as pod, pod.watch() as watch, NetnsThread() as thread:
        thread.enter(path)
        with socket.socket(fileno=os.dup(watch.fileno())) as listener:
            port, _ = listener.getsockname()
        with thread.run(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)) as forger:
            with pytest.raises(ConnectionRefusedError):
                forger.sendto(forged, (port, 0))
            forger.sendto(forged, (0, 1))  # RTMGRP_LINK, and the kernel, which makes nothing of it
        assert watch.read() == frozenset()
        pod.add_rule(RULE)
        assert told(watch, News.RULE) == {News.RULE}
