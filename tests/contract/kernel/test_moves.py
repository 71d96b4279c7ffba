"""`ip link set dev X netns T name Y`: what it does, and what it leaves behind when refused."""

from __future__ import annotations

import errno
from ipaddress import ip_interface

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import Link
from tests.contract.kernel.worlds import HOST, World, eventually, get, refuses


@pytest.fixture
def device(world: World) -> Link:
    """A link on the host."""
    name, _ = world.veth()
    return get(world.kernel.host, name)


@pytest.fixture
def host(world: World) -> Namespace:
    return world.kernel.host


def test_there_and_back(host: Namespace, pod: Namespace, device: Link) -> None:
    host.move(device.index, pod, "net1")
    assert host.find(device.name) is None

    pod.move(get(pod, "net1").index, host, device.name)
    assert pod.find("net1") is None
    assert get(host, device.name).mac == device.mac


def test_from_one_pod_to_another(world: World, pod: Namespace, link: Link) -> None:
    with world.kernel.open(world.namespace()) as other:
        pod.move(link.index, other, "net1")

        assert get(other, "net1").mac == link.mac


def test_within_a_namespace_it_renames(pod: Namespace, link: Link) -> None:
    pod.move(link.index, pod, "net1")

    assert get(pod, "net1").index == link.index


def test_it_keeps_mtu_mac_and_altnames(host: Namespace, pod: Namespace, device: Link) -> None:
    host.set_mtu(device.index, 9000)
    host.set_mac(device.index, "02:00:00:00:00:aa")
    host.add_altname(device.index, f"{device.name}-a")

    host.move(device.index, pod, "net1")

    arrived = get(pod, "net1")
    assert (arrived.mtu, arrived.mac) == (9000, "02:00:00:00:00:aa")
    assert arrived.altnames == (f"{device.name}-a",)
    assert host.find(f"{device.name}-a") is None


def test_it_loses_addresses_routes_and_settings_and_is_down(
    host: Namespace, pod: Namespace, device: Link
) -> None:
    host.move(device.index, pod, "net1")
    inside = get(pod, "net1").index
    pod.set_sysctl("ipv6/conf/net1/accept_ra", "0")
    pod.add_address(inside, ip_interface("10.60.0.2/16"))
    pod.add_address(inside, ip_interface("fd00:60::2/64"))
    pod.set_up(inside)

    pod.move(inside, host, device.name)

    home = get(host, device.name)
    assert not home.up
    assert list(host.addresses(home.index)) == []
    assert list(host.routes(home.index)) == []
    assert list(pod.routes(inside)) == []
    assert host.sysctl(f"ipv6/conf/{device.name}/accept_ra") == "1"


def test_it_leaves_its_bridge(world: World, pod: Namespace, link: Link) -> None:
    world.enslave(link.name, world.bridge(pod.path), pod.path)
    with world.kernel.open(world.namespace()) as other:
        pod.move(link.index, other, "net1")

        assert get(other, "net1").master == 0


def test_a_free_index_is_kept(world: World, host: Namespace, pod: Namespace) -> None:
    name, _ = world.veth()
    index = get(host, name).index
    host.move(index, pod, "net1")

    assert get(pod, "net1").index == index


def test_a_taken_index_is_changed_for_good(
    world: World, host: Namespace, pod: Namespace, device: Link
) -> None:
    squatter, _ = world.veth(pod.path, index=device.index)

    host.move(device.index, pod, "net1")
    inside = get(pod, "net1").index
    assert inside != device.index
    assert get(pod, squatter).index == device.index

    pod.move(inside, host, device.name)
    assert get(host, device.name).mac == device.mac


def test_a_taken_name_moves_it_under_its_own_name(
    world: World, host: Namespace, pod: Namespace, device: Link
) -> None:
    taken, _ = world.veth(pod.path)

    refuses(errno.EEXIST, lambda: host.move(device.index, pod, taken))

    assert host.find(device.name) is None
    assert get(pod, device.name).mac == device.mac


def test_a_bad_name_moves_it_under_its_own_name(
    host: Namespace, pod: Namespace, device: Link
) -> None:
    refuses(errno.EINVAL, lambda: host.move(device.index, pod, "a/b"))

    assert get(pod, device.name).mac == device.mac


def test_its_own_altname_as_its_name_moves_it_under_its_own_name(
    world: World, host: Namespace, pod: Namespace, device: Link
) -> None:
    altname = world.name()
    host.add_altname(device.index, altname)

    refuses(errno.EEXIST, lambda: host.move(device.index, pod, altname))

    arrived = get(pod, device.name)
    assert (arrived.mac, arrived.altnames) == (device.mac, (altname,))


def test_a_taken_altname_does_not_move_it(
    world: World, host: Namespace, pod: Namespace, device: Link
) -> None:
    taken, _ = world.veth(pod.path)
    host.add_altname(device.index, taken)

    refuses(errno.EEXIST, lambda: host.move(device.index, pod, "net1"))

    assert get(host, device.name).index == device.index
    assert pod.find("net1") is None


def test_its_own_name_taken_in_the_target_is_no_hindrance(
    world: World, host: Namespace, pod: Namespace, device: Link
) -> None:
    squatter, _ = world.veth(pod.path)
    pod.rename(get(pod, squatter).index, device.name)

    host.move(device.index, pod, "net1")

    assert get(pod, "net1").mac == device.mac


def test_both_names_taken_do_not_move_it(
    world: World, host: Namespace, pod: Namespace, device: Link
) -> None:
    squatter, taken = world.veth(pod.path)
    pod.rename(get(pod, squatter).index, device.name)

    refuses(errno.EEXIST, lambda: host.move(device.index, pod, taken))

    assert get(host, device.name).index == device.index


def test_a_loopback_stays(world: World, pod: Namespace) -> None:
    with world.kernel.open(world.namespace()) as other:
        refuses(errno.EINVAL, lambda: pod.move(1, other, "lo2"))


def test_a_stranger_is_no_target(host: Namespace, device: Link) -> None:
    with pytest.raises(TypeError):
        host.move(device.index, "net1", "net1")  # type: ignore[arg-type]


def test_a_veth_dies_with_its_namespace(world: World, host: Namespace) -> None:
    path = world.namespace()
    name, peer = world.veth(HOST, path)
    with world.kernel.open(path) as pod:
        world.delete_namespace(path)
        assert pod.find(peer), "while it is open, the namespace lives on"
        assert host.find(name)
    eventually(lambda: host.find(name) is None)
