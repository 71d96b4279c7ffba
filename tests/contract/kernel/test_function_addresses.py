"""A VF's address: its own driver's choice, or its PF's; the adapter is one of igb."""

from __future__ import annotations

import errno

import pytest

from cni.kernel.functions import NO_MAC, VfRate, VfSettings, VfVlan, VirtualFunction
from cni.kernel.interface import Namespace
from cni.kernel.types import Link
from tests.contract.kernel.worlds import World, get, refuses, shown

MAC, ANOTHER_MAC = "02:00:00:00:60:01", "02:00:00:00:60:02"
GROUP_MAC = "01:00:5e:00:00:01"


@pytest.fixture
def host(world: World) -> Namespace:
    return world.kernel.host


@pytest.fixture
def link(host: Namespace, vf: VirtualFunction) -> Link:
    """The VF's own link."""
    return get(host, vf.netdev)


def test_the_address_that_a_vf_gives_itself_is_seen(host: Namespace, pf: int, link: Link) -> None:
    host.set_mac(link.index, MAC)

    assert shown(host, pf).mac == get(host, link.name).mac == MAC


def test_a_prescribed_address_is_not_the_vfs_to_change(
    host: Namespace, pf: int, link: Link
) -> None:
    host.set_vf(pf, 0, VfSettings(mac=MAC))

    assert shown(host, pf).mac == MAC
    assert get(host, link.name).mac == link.mac
    refuses(errno.EADDRNOTAVAIL, lambda: host.set_mac(link.index, ANOTHER_MAC))
    assert get(host, link.name).mac == link.mac
    assert shown(host, pf, 1).mac != MAC


def test_what_it_has_a_vf_may_always_have(host: Namespace, pf: int, link: Link) -> None:
    host.set_mac(link.index, MAC)
    host.set_vf(pf, 0, VfSettings(mac=MAC))
    host.set_mac(link.index, MAC)

    refuses(errno.EADDRNOTAVAIL, lambda: host.set_mac(link.index, link.mac))


def test_a_pf_is_not_told_what_does_not_change(host: Namespace, pf: int, link: Link) -> None:
    host.set_vf(pf, 0, VfSettings(mac=NO_MAC))
    host.set_mac(link.index, link.mac)
    assert shown(host, pf).mac == NO_MAC

    host.set_up(link.index)
    host.set_down(link.index)
    assert shown(host, pf).mac == link.mac


def test_a_prescribed_address_reaches_a_vf_that_goes_down(
    host: Namespace, pf: int, link: Link
) -> None:
    host.set_up(link.index)
    host.set_vf(pf, 0, VfSettings(mac=MAC))
    assert get(host, link.name).mac == link.mac

    host.set_down(link.index)
    assert get(host, link.name).mac == get(host, link.name).permanent_mac == MAC


def test_a_prescribed_address_reaches_a_vf_with_another_mtu(
    host: Namespace, pf: int, link: Link
) -> None:
    host.set_vf(pf, 0, VfSettings(mac=MAC))
    host.set_mtu(link.index, link.mtu)
    assert get(host, link.name).mac == link.mac

    host.set_mtu(link.index, 9000)
    assert get(host, link.name).mac == MAC


def test_the_address_that_a_vf_gives_itself_becomes_permanent(
    host: Namespace, pf: int, link: Link
) -> None:
    host.set_mac(link.index, MAC)
    assert get(host, link.name).permanent_mac == link.permanent_mac

    host.set_up(link.index)
    host.set_down(link.index)
    assert get(host, link.name).permanent_mac == shown(host, pf).mac == MAC


def test_a_trusted_vf_that_goes_down_keeps_its_address(
    host: Namespace, pf: int, link: Link
) -> None:
    host.set_up(link.index)
    host.set_vf(pf, 0, VfSettings(mac=MAC, trust=True))
    host.set_down(link.index)

    assert shown(host, pf).mac == get(host, link.name).mac == link.mac


def test_a_pf_that_is_down_hears_nothing(host: Namespace, pf: int, link: Link) -> None:
    host.set_down(pf)
    host.set_mac(link.index, ANOTHER_MAC)

    assert get(host, link.name).mac == ANOTHER_MAC
    assert shown(host, pf).mac == link.mac
    refuses(errno.EINVAL, lambda: host.set_vf(pf, 0, VfSettings(rate=VfRate(0, 100))))
    host.set_vf(pf, 0, VfSettings(vlan=VfVlan(7)))
    assert shown(host, pf).vlan == VfVlan(7)


def test_a_vf_that_is_trusted_changes_even_that(host: Namespace, pf: int, link: Link) -> None:
    host.set_vf(pf, 0, VfSettings(mac=MAC, trust=True))
    host.set_mac(link.index, ANOTHER_MAC)

    assert shown(host, pf).mac == get(host, link.name).mac == ANOTHER_MAC


def test_no_address_any_more_is_prescribed(host: Namespace, pf: int, link: Link) -> None:
    host.set_vf(pf, 0, VfSettings(mac=MAC))
    host.set_vf(pf, 0, VfSettings(mac=NO_MAC))
    assert shown(host, pf).mac == NO_MAC

    host.set_mac(link.index, ANOTHER_MAC)
    assert shown(host, pf).mac == get(host, link.name).mac == ANOTHER_MAC


def test_a_group_is_no_address(host: Namespace, pf: int, link: Link) -> None:
    refuses(errno.EINVAL, lambda: host.set_vf(pf, 0, VfSettings(mac=GROUP_MAC)))
    assert shown(host, pf).mac == link.mac
