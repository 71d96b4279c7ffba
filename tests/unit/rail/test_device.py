"""Which device is taken, what is refused, and how one is known again."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network
from pathlib import Path

import pytest

from cni.kernel.sysfs import Sysfs
from cni.kernel.types import Link, Route
from cni.protocol.errors import CniError, Code
from cni.rail import device as devices
from cni.rail.attachment import DeviceIdentity
from cni.rail.config import RailConfig
from cni.rail.device import Device, check_mtu, recognise, refusal, uses

FREE = Link(index=5, name="dev0", mac="02:00:00:00:00:05", mtu=1500, up=False, carrier=False)
PF_ADDRESS, VF_ADDRESS = "0000:3b:00.0", "0000:3b:02.1"

VETH = DeviceIdentity(
    pci_address="", bus_address="", host_name="dev0", kind="veth", permanent_mac="",
    macs=("02:00:00:00:00:05", "02:00:00:00:60:01"), lower=6,
)  # fmt: skip


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    """One PF with two VFs, the second without a driver."""
    devices = tmp_path / "bus/pci/devices"
    drivers = tmp_path / "bus/pci/drivers/igbvf"
    drivers.mkdir(parents=True)
    for address in (PF_ADDRESS, VF_ADDRESS, "0000:3b:02.2", "0000:00:1f.0"):
        (devices / address).mkdir(parents=True)
    for address in (VF_ADDRESS, "0000:3b:02.2"):
        (devices / address / "physfn").symlink_to(devices / PF_ADDRESS)
    (devices / VF_ADDRESS / "driver").symlink_to(drivers)
    (devices / PF_ADDRESS / "sriov_totalvfs").write_text("7\n")
    for address, netdev, mtu in ((PF_ADDRESS, "ens1f0", 1500), (VF_ADDRESS, "ens1f0v1", 1500)):
        (devices / address / "net" / netdev).mkdir(parents=True)
        (devices / address / "net" / netdev / "mtu").write_text(f"{mtu}\n")
        (tmp_path / "class/net").mkdir(parents=True, exist_ok=True)
        (tmp_path / "class/net" / netdev).symlink_to(devices / address / "net" / netdev)
        (devices / address / "net" / netdev / "device").symlink_to(devices / address)
    return Sysfs(tmp_path)


class Host:
    """As much of a namespace as choosing a device asks for."""

    def __init__(self, *links: Link) -> None:
        self._links = links

    def find(self, name: str) -> Link | None:
        return next((link for link in self._links if link.name == name), None)

    def links(self) -> tuple[Link, ...]:
        return self._links

    def addresses(self, _: int) -> tuple[()]:
        return ()

    def routes(self, _: int) -> tuple[()]:
        return ()


def find(config: dict[str, object], sysfs: Sysfs, *links: Link) -> Device:
    return devices.find(RailConfig.model_validate(config), Host(*links), sysfs)  # type: ignore[arg-type]


def test_a_function_by_address_and_by_name_is_one_device(sysfs: Sysfs) -> None:
    link = replace(FREE, name="ens1f0v1")
    by_address = find({"deviceID": VF_ADDRESS}, sysfs, link)
    by_name = find({"device": "ens1f0v1"}, sysfs, link)
    assert by_address == by_name
    assert by_address.function is not None
    assert by_address.function.pf_name == "ens1f0"
    keys = {
        devices.key(RailConfig.model_validate(config), sysfs)
        for config in ({"deviceID": VF_ADDRESS}, {"device": "ens1f0v1"})
    }
    assert keys == {f"pci-{VF_ADDRESS}"} == {by_name.key}


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"deviceID": "0000:3b:02.7"}, Code.INVALID_CONFIG, "no such PCI device"),
        ({"deviceID": PF_ADDRESS}, Code.INVALID_CONFIG, "no virtual function"),
        ({"deviceID": "0000:00:1f.0"}, Code.INVALID_CONFIG, "no virtual function"),
        ({"deviceID": "0000:3b:02.2"}, Code.INVALID_CONFIG, "no driver"),
        ({"deviceID": VF_ADDRESS}, Code.TRY_AGAIN, "no interface on the host"),
        ({"device": "ens1f0"}, Code.INVALID_CONFIG, "physical function"),
        ({"device": "ens9"}, Code.INVALID_CONFIG, "no interface of that name"),
    ],
)
def test_what_cannot_be_taken_says_why(
    config: dict[str, object], code: Code, words: str, sysfs: Sysfs
) -> None:
    with pytest.raises(CniError, match=words) as caught:
        find(config, sysfs, replace(FREE, name="ens1f0"))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("link", "words"),
    [
        (replace(FREE, loopback=True), "loopback"),
        (replace(FREE, kind="bridge"), "bridge"),
        (replace(FREE, kind="tun"), "tun"),
        (replace(FREE, kind="veth", lower=3, lower_netnsid=1), "some pod's uplink"),
        (replace(FREE, master=9), "port of br0"),
        (replace(FREE, index=7), "dev0.100 sits on it"),
        (FREE, ""),
    ],
)
def test_links_that_the_host_uses(link: Link, words: str) -> None:
    others = (
        replace(FREE, index=9, name="br0", kind="bridge"),
        replace(FREE, index=10, name="dev0.100", kind="vlan", lower=7),
        replace(FREE, index=11, name="veth1", kind="veth", lower=5),
        replace(FREE, index=12, name="pod's", kind="macvlan", lower=5, lower_netnsid=3),
    )
    reason = refusal(link, others, is_pf=False)
    assert words in reason
    assert bool(words) == bool(reason)


def test_what_a_link_carries() -> None:
    used = (ip_interface("fe80::1/64"), ip_interface("192.0.2.1/24"))
    assert "192.0.2.1/24" in uses(used, ())
    assert uses(used[:1], ()) == ""
    assert "198.51.100.0/24" in uses((), (Route(ip_network("198.51.100.0/24"), 5),))


def test_the_pfs_mtu_limits_the_functions(sysfs: Sysfs) -> None:
    device = find({"deviceID": VF_ADDRESS}, sysfs, replace(FREE, name="ens1f0v1"))
    with pytest.raises(CniError, match="1500: the MTU of ens1f0") as caught:
        check_mtu(device, 9000)
    assert caught.value.details == "raise it: ip link set dev ens1f0 mtu 9000"
    check_mtu(device, 1500)
    with pytest.raises(CniError, match="the limit of dev0"):
        check_mtu(Device(replace(FREE, max_mtu=4000), None, ""), 9000)


def veth(**values: object) -> Link:
    return replace(FREE, name="net1", kind="veth", lower=6, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("link", "hints", "same"),
    [
        (veth(), {}, True),
        (veth(mac="02:00:00:00:60:01"), {}, True),  # the MAC that was asked for
        (veth(mac="02:00:00:00:99:99"), {}, False),  # only the peer's index agrees: eth0?
        (veth(mac="02:00:00:00:99:99"), {"index": 5}, True),
        (veth(mac="02:00:00:00:99:99"), {"name": "net1"}, True),
        (replace(veth(), lower=7), {"index": 5, "name": "net1"}, False),
        (replace(veth(), kind="macvlan"), {"index": 5}, False),
    ],
)
def test_a_veth_is_known_by_its_peer_and_something_of_ours(
    link: Link,
    hints: dict[str, object],
    same: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert bool(recognise([link], VETH, **hints)) is same  # type: ignore[arg-type]


def test_hardware_is_known_by_bus_address_or_permanent_mac_whatever_else_changed() -> None:
    hardware = replace(FREE, kind="", mac="02:00:00:00:99:99", name="x", index=77)
    by_address = VETH.model_copy(update={"kind": "", "pci_address": VF_ADDRESS, "lower": 0})
    assert recognise([replace(hardware, parent=VF_ADDRESS)], by_address)
    assert not recognise([replace(hardware, parent="0000:3b:02.2", mac=VETH.macs[0])], by_address)
    by_mac = VETH.model_copy(update={"kind": "", "permanent_mac": "aa:00:00:00:00:01", "lower": 0})
    assert recognise([replace(hardware, permanent_mac="aa:00:00:00:00:01")], by_mac)
    other = replace(hardware, permanent_mac="aa:00:00:00:00:02", mac=VETH.macs[0])
    assert not recognise([other], by_mac)


def test_two_links_that_look_alike_are_told_apart_by_the_index() -> None:
    first, second = veth(index=8), veth(index=9)
    assert recognise([first, second], VETH, index=9) == second
