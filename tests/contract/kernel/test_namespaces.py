"""Opening, recognising and finding network namespaces; announcements."""

from __future__ import annotations

import errno
from ipaddress import ip_interface

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import Link, NetnsGoneError
from tests.contract.kernel.worlds import HOST, World, eventually, get, refuses

ADDRESSES = [ip_interface("10.60.0.2/16"), ip_interface("fd00:60::2/64")]


def test_the_same_namespace_by_two_paths(world: World) -> None:
    path = world.namespace()
    another = world.keep_alive(path)

    with world.kernel.open(path) as one, world.kernel.open(another) as same:
        assert one.identity == same.identity
        assert (one.path, same.path) == (path, another)


def test_two_namespaces(world: World, pod: Namespace) -> None:
    with world.kernel.open(world.namespace()) as other:
        assert other.identity != pod.identity
        assert other.identity.cookie != pod.identity.cookie
    assert world.kernel.host.identity not in {pod.identity, other.identity}


def test_the_host_by_its_path(world: World) -> None:
    assert world.kernel.host.path == HOST
    with world.kernel.open(HOST) as host:
        assert host.identity == world.kernel.host.identity


@pytest.mark.parametrize("path", ["", "/run/netns/nobody", "/etc/passwd", "/etc/passwd/ns"])
def test_a_path_to_no_namespace(world: World, path: str) -> None:
    with pytest.raises(NetnsGoneError), world.kernel.open(path):
        pytest.fail("there is nothing to open")


def test_a_namespace_that_is_nowhere_mounted(world: World) -> None:
    with world.kernel.new_namespace() as own:
        assert own.identity != world.kernel.host.identity
        assert [link.name for link in own.links()] == ["lo"]
        with world.kernel.open(own.path) as same:
            assert same.identity == own.identity
        with world.kernel.new_namespace() as another:
            assert another.identity != own.identity
        name, peer = world.veth()
        world.kernel.host.move(get(world.kernel.host, peer).index, own, peer)
        assert own.find(peer)
    eventually(lambda: world.kernel.host.find(name) is None)  # it has died, with its devices
    with pytest.raises(NetnsGoneError), world.kernel.open(own.path):
        pytest.fail("there is nothing to open")


def test_a_namespace_that_was_deleted(world: World) -> None:
    path = world.namespace()
    world.delete_namespace(path)

    with pytest.raises(NetnsGoneError), world.kernel.open(path):
        pytest.fail("there is nothing to open")


def test_a_mounted_namespace_is_found(world: World, pod: Namespace) -> None:
    with world.kernel.search(lambda namespace: namespace.identity == pod.identity) as found:
        assert found is not None
        assert found.identity == pod.identity
        assert [link.name for link in found.links()] == ["lo"]


def test_a_namespace_is_found_by_its_process(world: World) -> None:
    path = world.namespace()
    another = world.keep_alive(path)
    with world.kernel.open(path) as namespace:
        identity = namespace.identity
    world.delete_namespace(path)

    with world.kernel.search(lambda namespace: namespace.identity == identity) as found:
        assert found is not None
        assert (found.identity, found.path) == (identity, another)


def test_a_dead_namespace_is_not_found(world: World) -> None:
    path = world.namespace()
    with world.kernel.open(path) as namespace:
        identity = namespace.identity
    world.delete_namespace(path)

    with world.kernel.search(lambda namespace: namespace.identity == identity) as found:
        assert found is None


def test_every_namespace_is_looked_at_once(world: World, pod: Namespace) -> None:
    world.keep_alive(pod.path)
    seen = []

    def look(namespace: Namespace) -> bool:
        seen.append(namespace.identity)
        return False

    with world.kernel.search(look) as found:
        assert found is None
    assert seen.count(pod.identity) == seen.count(world.kernel.host.identity) == 1
    assert len(set(seen)) == len(seen)


def test_boot_and_time(world: World) -> None:
    kernel = world.kernel

    assert kernel.boot_id() == kernel.boot_id()
    assert len(kernel.boot_id()) == 36
    assert 0 < kernel.uptime() <= kernel.uptime()


def test_an_announcement_needs_a_link_that_is_up(pod: Namespace, link: Link) -> None:
    refuses(errno.ENETDOWN, lambda: pod.announce(link.index, ADDRESSES))


def test_an_announcement(pod: Namespace, up: Link) -> None:
    pod.announce(up.index, ADDRESSES)


@pytest.mark.parametrize("address", ["224.0.0.1/4", "ff02::1/8", "127.0.0.1/8", "::/0"])
def test_an_announcement_of_what_nobody_has(pod: Namespace, up: Link, address: str) -> None:
    refuses(errno.EADDRNOTAVAIL, lambda: pod.announce(up.index, [ip_interface(address)]))
