"""Links: what is told about them, and how they are changed in place."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError, Link
from tests.contract.kernel.worlds import World, get, refuses

NOBODY = 9999


def test_a_new_namespace_has_a_loopback_that_is_down(pod: Namespace) -> None:
    (lo,) = pod.links()

    assert (lo.name, lo.index, lo.loopback, lo.up) == ("lo", 1, True, False)


def test_a_link_is_the_same_from_the_list_by_index_and_by_name(pod: Namespace, link: Link) -> None:
    assert link in pod.links()
    assert pod.link(link.index) == link
    assert pod.find(link.name) == link


def test_there_is_no_such_link(pod: Namespace) -> None:
    assert pod.link(NOBODY) is None
    assert pod.find("nobody") is None
    assert pod.find("nobody-with-a-name-too-long-for-a-link") is None


def test_a_veth_pair_names_each_other(pair: tuple[Link, Link]) -> None:
    one, other = pair

    assert one.kind == other.kind == "veth"
    assert (one.lower, one.lower_netnsid) == (other.index, None)
    assert (one.mtu, one.min_mtu, one.max_mtu) == (1500, 68, 65535)
    assert one.parent == one.permanent_mac == ""


def test_a_peer_elsewhere_has_a_netnsid(world: World, pod: Namespace) -> None:
    name, peer = world.veth(pod.path, world.namespace())

    assert get(pod, name).lower > 0
    assert get(pod, name).lower_netnsid == 0
    assert pod.find(peer) is None


def test_a_port_has_a_master(world: World, pod: Namespace, link: Link) -> None:
    bridge = world.bridge(pod.path)
    world.enslave(link.name, bridge, pod.path)

    assert get(pod, link.name).master == get(pod, bridge).index
    assert get(pod, bridge).kind == "bridge"


def test_up_and_down(pod: Namespace, link: Link) -> None:
    pod.set_up(link.index)
    assert get(pod, link.name).up

    pod.set_down(link.index)
    assert not get(pod, link.name).up


def test_carrier_needs_both_ends(pod: Namespace, pair: tuple[Link, Link]) -> None:
    one, other = pair
    assert not one.carrier

    pod.set_up(one.index)
    assert not get(pod, one.name).carrier

    pod.set_up(other.index)
    assert pod.wait_for_carrier(one.index, 2)
    assert get(pod, one.name).carrier


def test_carrier_that_does_not_come(pod: Namespace, link: Link) -> None:
    pod.set_up(link.index)

    assert not pod.wait_for_carrier(link.index, 0.05)
    assert not pod.wait_for_carrier(NOBODY, 0.05)


def test_carrier_that_comes_late(world: World, pod: Namespace, pair: tuple[Link, Link]) -> None:
    one, other = pair
    pod.set_up(one.index)
    world.connect_later(other.name, pod.path, 0.1)

    assert not pod.wait_for_carrier(one.index, 0.02)
    assert pod.wait_for_carrier(one.index, 5)


def test_mtu(pod: Namespace, link: Link) -> None:
    pod.set_mtu(link.index, 9000)

    assert get(pod, link.name).mtu == 9000


@pytest.mark.parametrize("mtu", [67, 65536])
def test_an_mtu_beyond_the_limits(pod: Namespace, link: Link, mtu: int) -> None:
    with pytest.raises(KernelError, match=f"ip link set dev {link.name} mtu {mtu}: mtu") as refusal:
        pod.set_mtu(link.index, mtu)

    assert refusal.value.errno == errno.EINVAL
    assert get(pod, link.name).mtu == 1500


def test_mac(pod: Namespace, link: Link) -> None:
    pod.set_mac(link.index, "02:00:00:00:00:AA")

    assert get(pod, link.name).mac == "02:00:00:00:00:aa"


@pytest.mark.parametrize("mac", ["01:00:5e:00:00:01", "00:00:00:00:00:00"])
def test_a_mac_that_is_no_stations(pod: Namespace, link: Link, mac: str) -> None:
    refuses(errno.EADDRNOTAVAIL, lambda: pod.set_mac(link.index, mac))


def test_rename(pod: Namespace, link: Link) -> None:
    pod.rename(link.index, "net1")
    pod.rename(link.index, "net1")

    assert get(pod, "net1").index == link.index
    assert pod.find(link.name) is None


def test_rename_while_up(pod: Namespace, link: Link) -> None:
    pod.set_up(link.index)
    pod.rename(link.index, "net1")

    assert get(pod, "net1").up


@pytest.mark.parametrize(
    ("name", "number"),
    [("lo", errno.EEXIST), ("a/b", errno.EINVAL), ("..", errno.EINVAL), ("n" * 16, errno.ERANGE)],
)
def test_a_name_that_is_refused(pod: Namespace, link: Link, name: str, number: int) -> None:
    refuses(number, lambda: pod.rename(link.index, name))
    assert get(pod, link.name).index == link.index


def test_altnames(pod: Namespace, link: Link) -> None:
    pod.add_altname(link.index, "rail-a")
    pod.add_altname(link.index, "a-name-longer-than-fifteen")

    for name in ("rail-a", "a-name-longer-than-fifteen"):
        assert get(pod, name).index == link.index
    assert get(pod, link.name).altnames == ("rail-a", "a-name-longer-than-fifteen")
    assert pod.links()[link.index - 1].altnames == get(pod, link.name).altnames

    pod.remove_altname(link.index, "rail-a")
    assert get(pod, link.name).altnames == ("a-name-longer-than-fifteen",)


def test_a_name_and_an_altname_exclude_each_other(pod: Namespace, pair: tuple[Link, Link]) -> None:
    one, other = pair
    pod.add_altname(one.index, "rail-a")

    refuses(errno.EEXIST, lambda: pod.rename(other.index, "rail-a"))
    refuses(errno.EEXIST, lambda: pod.rename(one.index, "rail-a"))
    refuses(errno.EEXIST, lambda: pod.add_altname(other.index, "rail-a"))
    refuses(errno.EEXIST, lambda: pod.add_altname(one.index, "rail-a"))
    refuses(errno.EEXIST, lambda: pod.add_altname(one.index, one.name))


def test_an_altname_that_is_not_there(pod: Namespace, pair: tuple[Link, Link]) -> None:
    one, other = pair
    pod.add_altname(one.index, "rail-a")

    refuses(errno.ENOENT, lambda: pod.remove_altname(one.index, "rail-b"))
    refuses(errno.EINVAL, lambda: pod.remove_altname(other.index, "rail-a"))
    refuses(errno.EINVAL, lambda: pod.remove_altname(one.index, one.name))


def test_every_verb_misses_a_link_that_is_not_there(world: World, pod: Namespace) -> None:
    verbs: list[Callable[[], None]] = [
        lambda: pod.set_up(NOBODY),
        lambda: pod.set_down(NOBODY),
        lambda: pod.set_mtu(NOBODY, 1500),
        lambda: pod.set_mac(NOBODY, "02:00:00:00:00:01"),
        lambda: pod.rename(NOBODY, "net1"),
        lambda: pod.add_altname(NOBODY, "rail-a"),
        lambda: pod.remove_altname(NOBODY, "rail-a"),
        lambda: pod.move(NOBODY, world.kernel.host, "net1"),
        lambda: pod.announce(NOBODY, []),
    ]
    for verb in verbs:
        refuses(errno.ENODEV, verb)
