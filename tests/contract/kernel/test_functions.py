"""VFs: what sysfs tells of them, and what their PF imposes; the adapter is one of igb."""

from __future__ import annotations

import errno

import pytest

from cni.kernel.functions import VfRate, VfSettings, VfVlan, VirtualFunction
from cni.kernel.interface import Namespace
from cni.kernel.types import ERROR_COUNTERS, KernelError, Link
from tests.contract.kernel.worlds import World, eventually, get, refuses, shown

MAC, ANOTHER_MAC = "02:00:00:00:60:01", "02:00:00:00:60:02"
NOBODY = 9999


@pytest.fixture
def host(world: World) -> Namespace:
    return world.kernel.host


@pytest.fixture
def link(host: Namespace, vf: VirtualFunction) -> Link:
    """The VF's own link."""
    return get(host, vf.netdev)


def test_sysfs_knows_a_vf(world: World, vf: VirtualFunction) -> None:
    assert vf.index == 0
    assert world.sysfs.virtual_function(vf.address) == vf
    assert world.sysfs.virtual_functions(vf.pf_address)[0] == vf
    assert [other.index for other in world.sysfs.virtual_functions(vf.pf_address)] == [0, 1]
    assert world.sysfs.device_exists(vf.address)
    assert world.sysfs.address_of(vf.netdev) == vf.address
    assert not vf.is_userspace


def test_sysfs_knows_a_pf(world: World, vf: VirtualFunction) -> None:
    pf = next(pf for pf in world.sysfs.physical_functions() if pf.address == vf.pf_address)

    assert (pf.netdev, pf.driver) == (vf.pf_netdev, "igb")
    assert pf.total_vfs >= 2
    assert world.sysfs.is_physical_function(pf.netdev)
    assert not world.sysfs.is_physical_function(vf.netdev)
    assert world.sysfs.virtual_function(pf.address) is None
    assert world.sysfs.link_speed(pf.netdev) == 1000


def test_sysfs_knows_nobody_else(world: World, host: Namespace) -> None:
    assert world.sysfs.virtual_function("0000:00:00.9") is None
    assert list(world.sysfs.virtual_functions("0000:00:00.9")) == []
    assert not world.sysfs.device_exists("0000:00:00.9")
    assert world.sysfs.address_of("lo") == world.sysfs.address_of("nobody") == ""
    assert not world.sysfs.is_physical_function("lo")
    assert world.sysfs.link_speed("nobody") is None
    assert host.vf(1, 0) is None
    assert host.vf(NOBODY, 0) is None


def test_a_pf_counts_its_errors(world: World, vf: VirtualFunction) -> None:
    assert set(world.sysfs.error_counters(vf.pf_netdev)) == set(ERROR_COUNTERS)


def test_so_does_any_interface_of_the_host_and_nobody_else(world: World) -> None:
    counters = world.sysfs.error_counters("lo")
    assert set(counters) == set(ERROR_COUNTERS)
    assert min(counters.values()) >= 0
    assert world.sysfs.error_counters("nobody") == world.sysfs.error_counters("") == {}


def test_a_link_says_where_it_is_on_the_bus(vf: VirtualFunction, link: Link) -> None:
    assert link.parent == vf.address


def test_a_fresh_vf(host: Namespace, pf: int, link: Link) -> None:
    assert shown(host, pf) == VfSettings(
        mac=link.mac,
        vlan=VfVlan(0),
        spoofchk=True,
        trust=False,
        link_state="auto",
        rate=VfRate(),
    )
    assert host.vf(pf, 2) is None


def test_a_vlan(host: Namespace, pf: int) -> None:
    host.set_vf(pf, 0, VfSettings(vlan=VfVlan(100, 3)))
    assert shown(host, pf).vlan == VfVlan(100, 3)
    assert shown(host, pf, 1).vlan == VfVlan(0)

    host.set_vf(pf, 0, VfSettings(vlan=VfVlan(0)))
    assert shown(host, pf).vlan == VfVlan(0)


def test_the_switches(host: Namespace, pf: int) -> None:
    host.set_vf(pf, 0, VfSettings(spoofchk=False, trust=True))
    assert (shown(host, pf).spoofchk, shown(host, pf).trust) == (False, True)
    assert (shown(host, pf, 1).spoofchk, shown(host, pf, 1).trust) == (True, False)

    host.set_vf(pf, 0, VfSettings(spoofchk=True, trust=False))
    assert (shown(host, pf).spoofchk, shown(host, pf).trust) == (True, False)


def test_a_rate(host: Namespace, pf: int) -> None:
    host.set_vf(pf, 0, VfSettings(rate=VfRate(0, 100)))
    assert shown(host, pf).rate == VfRate(0, 100)

    host.set_vf(pf, 0, VfSettings(rate=VfRate()))
    assert shown(host, pf).rate == VfRate()


@pytest.mark.parametrize(
    ("settings", "number"),
    [
        (VfSettings(vlan=VfVlan(100, 0, "802.1ad")), errno.EPROTONOSUPPORT),
        (VfSettings(vlan=VfVlan(4096)), errno.EINVAL),
        (VfSettings(vlan=VfVlan(100, 8)), errno.EINVAL),
        (VfSettings(link_state="enable"), errno.EOPNOTSUPP),
        (VfSettings(rate=VfRate(10, 100)), errno.EINVAL),
        (VfSettings(rate=VfRate(0, 1001)), errno.EINVAL),
    ],
)
def test_what_igb_refuses(host: Namespace, pf: int, settings: VfSettings, number: int) -> None:
    before = shown(host, pf)

    refuses(number, lambda: host.set_vf(pf, 0, settings))
    assert shown(host, pf) == before


def test_a_refusal_says_what_was_refused_and_keeps_what_came_before(
    host: Namespace, pf: int, vf: VirtualFunction
) -> None:
    settings = VfSettings(vlan=VfVlan(100, 3), link_state="disable", rate=VfRate(0, 100))
    with pytest.raises(KernelError) as refusal:
        host.set_vf(pf, 0, settings)

    assert refusal.value.verb == f"ip link set dev {vf.pf_netdev} vf 0 state disable"
    assert shown(host, pf).vlan == VfVlan(100, 3)
    assert shown(host, pf).rate == VfRate()


@pytest.mark.parametrize(
    "settings",
    [
        VfSettings(mac=MAC),
        VfSettings(vlan=VfVlan(100)),
        VfSettings(spoofchk=True),
        VfSettings(trust=True),
        VfSettings(rate=VfRate(0, 100)),
    ],
)
def test_there_is_no_such_vf(host: Namespace, pf: int, settings: VfSettings) -> None:
    refuses(errno.EINVAL, lambda: host.set_vf(pf, 2, settings))


@pytest.mark.parametrize(
    "settings",
    [
        VfSettings(mac=MAC),
        VfSettings(vlan=VfVlan(100)),
        VfSettings(vlan=VfVlan(100, 0, "802.1ad")),
        VfSettings(spoofchk=True),
        VfSettings(trust=True),
        VfSettings(link_state="auto"),
        VfSettings(rate=VfRate(0, 100)),
    ],
)
def test_a_veth_has_no_vfs(world: World, pod: Namespace, settings: VfSettings) -> None:
    name, _ = world.veth(pod.path)

    refuses(errno.EOPNOTSUPP, lambda: pod.set_vf(get(pod, name).index, 0, settings))
    refuses(errno.ENODEV, lambda: pod.set_vf(NOBODY, 0, settings))


def test_nothing_is_imposed_by_what_is_not_stated(world: World, pod: Namespace) -> None:
    name, _ = world.veth(pod.path)

    pod.set_vf(get(pod, name).index, 0, VfSettings())


def test_a_vf_that_is_away_obeys_its_pf(
    world: World, pf: int, vf: VirtualFunction, pod: Namespace
) -> None:
    host = world.kernel.host
    host.move(get(host, vf.netdev).index, pod, "net1")
    host.set_vf(pf, 0, VfSettings(mac=MAC))

    away = world.sysfs.virtual_function(vf.address)
    assert away
    assert (away.netdev, away.index, away.driver) == ("", 0, vf.driver)
    assert get(pod, "net1").parent == vf.address
    refuses(errno.EADDRNOTAVAIL, lambda: pod.set_mac(get(pod, "net1").index, ANOTHER_MAC))


def test_what_is_imposed_outlives_a_pod(world: World, host: Namespace, pf: int, link: Link) -> None:
    path = world.namespace()
    host.set_vf(pf, 0, VfSettings(vlan=VfVlan(100)))
    with world.kernel.open(path) as pod:
        host.move(link.index, pod, "net1")
    world.delete_namespace(path)

    eventually(lambda: host.find("net1") is not None)
    assert shown(host, pf).vlan == VfVlan(100)
    host.rename(get(host, "net1").index, link.name)


def test_a_vf_takes_any_mtu_of_its_driver(host: Namespace, vf: VirtualFunction, link: Link) -> None:
    assert get(host, vf.pf_netdev).mtu == 1500
    host.set_mtu(link.index, 9000)

    assert get(host, vf.netdev).mtu == 9000


def test_a_pf_takes_its_vfs_carrier_along(
    host: Namespace, pf: int, vf: VirtualFunction, link: Link
) -> None:
    host.set_up(link.index)
    assert host.wait_for_carrier(link.index, 10)

    host.set_down(pf)
    eventually(lambda: not get(host, vf.netdev).carrier)
    host.set_up(pf)
    assert host.wait_for_carrier(link.index, 60)  # igbvf starts anew every ten seconds at most


def test_vfs_that_are_removed_vanish_from_the_pod(
    world: World, pf: int, vf: VirtualFunction, pod: Namespace
) -> None:
    host = world.kernel.host
    host.move(get(host, vf.netdev).index, pod, "net1")
    world.unplug_vfs()

    assert pod.find("net1") is None
    assert host.vf(pf, 0) is None
    assert not world.sysfs.device_exists(vf.address)
    assert world.sysfs.virtual_function(vf.address) is None
    assert list(world.sysfs.virtual_functions(vf.pf_address)) == []
