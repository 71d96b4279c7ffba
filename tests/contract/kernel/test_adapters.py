"""Radios, drivers, bonds, and who computes checksums."""

from __future__ import annotations

import pytest

from cni.kernel.adapters import LACP
from cni.kernel.functions import VirtualFunction
from cni.kernel.interface import Namespace
from cni.kernel.types import Link
from tests.contract.kernel.worlds import World, get


@pytest.mark.parametrize("kind", ["veth", "vxlan"])
def test_who_computes_the_checksums(world: World, pod: Namespace, kind: str) -> None:
    name = world.tunnel(pod.path) if kind == "vxlan" else world.veth(pod.path)[0]
    other, link = get(pod, world.veth(pod.path)[0]), get(pod, name)
    assert link.kind == kind
    assert pod.offloads_checksums(link.index) is True

    world.stop_offloading(name, pod.path)

    assert pod.offloads_checksums(link.index) is False
    assert pod.offloads_checksums(other.index) is True


def test_what_a_driver_fixes_counts_as_it_is(pod: Namespace) -> None:
    assert pod.offloads_checksums(get(pod, "lo").index) is True


def test_a_link_that_is_not_there_offloads_nothing(pod: Namespace) -> None:
    assert pod.offloads_checksums(9999) is None


def test_what_is_no_radio(world: World, pod: Namespace, link: Link) -> None:
    assert pod.radio(link.index) is None
    assert pod.radio(9999) is None
    assert world.kernel.host.radio(1) is None


def test_what_drives_a_veth(pod: Namespace, link: Link) -> None:
    driver = pod.driver(link.index)
    assert driver
    assert (driver.name, driver.firmware) == ("veth", "")


def test_what_a_veth_has_not(pod: Namespace, link: Link) -> None:
    """It has no port, so neither pause frames nor priorities; and it is no bond."""
    assert pod.pause(link.index) is None
    assert pod.bridging(link.index) is None
    assert pod.bond(link.index) is None


def test_a_link_that_is_not_there_has_no_driver(pod: Namespace) -> None:
    assert pod.driver(9999) is None
    assert pod.pause(9999) is None
    assert pod.bridging(9999) is None
    assert pod.bond(9999) is None


def test_the_loopback_has_no_driver(pod: Namespace) -> None:
    assert pod.driver(get(pod, "lo").index) is None


def test_a_bond_that_no_switch_has_answered(world: World, pod: Namespace) -> None:
    link = get(pod, world.bond(pod.path))
    assert link.kind == "bond"
    bond = pod.bond(link.index)
    assert bond
    assert (bond.mode, bond.partner) == (LACP, "")


def test_a_physical_function(world: World, vf: VirtualFunction, pf: int) -> None:
    host = world.kernel.host
    driver, bridging = host.driver(pf), host.bridging(pf)
    assert driver
    assert driver.name == "igb"
    assert bridging is None
    (device,) = (one for one in world.sysfs.pci_devices() if one.address == vf.address)
    assert (device.vendor, device.device, device.kind) == ("8086", "10ca", "0200")
