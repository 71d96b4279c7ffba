"""Which device is taken, what is refused, and how one is known again."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface, ip_network

import pytest

from cni.kernel.fake import FakeKernel, FakeSysfs
from cni.kernel.types import Link, Route
from cni.protocol.errors import CniError, Code
from cni.rail import device as devices
from cni.rail.attachment import DeviceIdentity
from cni.rail.config import RailConfig
from cni.rail.device import Device, recognise
from cni.rail.usage import refusal, uses

FREE = Link(index=5, name="dev0", mac="02:00:00:00:00:05", mtu=1500, up=False, carrier=False)
PF_ADDRESS, VF_ADDRESS = "0000:3b:00.0", "0000:3b:02.1"
BARE, PROGRAM = "0000:3b:02.2", "0000:3b:02.3"

VETH = DeviceIdentity(
    pci_address="", bus_address="", host_name="dev0", kind="veth", permanent_mac="",
    macs=("02:00:00:00:00:05", "02:00:00:00:60:01"), lower=6,
)  # fmt: skip


@pytest.fixture
def kernel() -> FakeKernel:
    """One PF with three VFs: one for the kernel, one without a driver, one for a program."""
    kernel = FakeKernel()
    kernel.add_physical_function("ens1f0", pci=PF_ADDRESS, mtu=9000)
    kernel.add_virtual_function("ens1f0", pci=VF_ADDRESS, name="ens1f0v0")
    kernel.add_virtual_function("ens1f0", pci=BARE, driver="")
    kernel.add_virtual_function("ens1f0", pci=PROGRAM, driver="vfio-pci")
    kernel.add_physical("eno1", pci="0000:00:1f.0")
    return kernel


def find(config: dict[str, object], kernel: FakeKernel) -> Device:
    asked = RailConfig.model_validate(config)
    device = devices.find(asked, kernel, FakeSysfs(kernel))
    devices.check(device, asked)
    return device


def test_a_function_by_address_and_by_name_is_one_device(kernel: FakeKernel) -> None:
    by_address = find({"deviceID": VF_ADDRESS}, kernel)
    by_name = find({"device": "ens1f0v0"}, kernel)
    assert by_address == by_name
    assert by_address.port
    assert by_address.port.pf == kernel.host.find("ens1f0")
    keys = {
        devices.key(RailConfig.model_validate(config), FakeSysfs(kernel))
        for config in ({"deviceID": VF_ADDRESS}, {"device": "ens1f0v0"})
    }
    assert keys == {f"pci-{VF_ADDRESS}"} == {by_name.key}


@pytest.mark.parametrize(
    ("config", "code", "words"),
    [
        ({"deviceID": "0000:3b:02.7"}, Code.INVALID_CONFIG, "no such PCI device"),
        ({"deviceID": PF_ADDRESS}, Code.INVALID_CONFIG, "no virtual function"),
        ({"deviceID": "0000:00:1f.0"}, Code.INVALID_CONFIG, "no virtual function"),
        ({"deviceID": BARE}, Code.INVALID_CONFIG, "no driver"),
        ({"device": "ens1f0"}, Code.INVALID_CONFIG, "physical function"),
        ({"device": "ens9"}, Code.INVALID_CONFIG, "no interface of that name"),
        ({"device": "eno1", "vlan": 7, "trust": "on"}, Code.INVALID_CONFIG, "vlan, trust is set"),
        ({"deviceID": VF_ADDRESS, "mtu": 9001}, Code.INVALID_CONFIG, "9000: the MTU of ens1f0"),
        ({"deviceID": PROGRAM, "mtu": 9001}, Code.INVALID_CONFIG, "9000: the MTU of ens1f0"),
        ({"device": "eno1", "mtu": 9979}, Code.INVALID_CONFIG, "9978: the limit of eno1"),
    ],
)
def test_what_cannot_be_taken_says_why(
    config: dict[str, object], code: Code, words: str, kernel: FakeKernel
) -> None:
    with pytest.raises(CniError, match=words) as caught:
        find(config, kernel)
    assert caught.value.code == code


def test_a_function_that_is_in_some_namespace(kernel: FakeKernel) -> None:
    kernel.add_namespace("/run/netns/other")
    link = kernel.host.find("ens1f0v0")
    assert link
    with kernel.open("/run/netns/other") as other:
        kernel.host.move(link.index, other, "eth1")
    with pytest.raises(CniError, match="in the network namespace /run/netns/other") as caught:
        find({"deviceID": VF_ADDRESS}, kernel)
    assert caught.value.code == Code.TRY_AGAIN


def test_a_pf_that_is_down_gives_no_carrier(kernel: FakeKernel) -> None:
    pf = kernel.host.find("ens1f0")
    assert pf
    kernel.host.set_down(pf.index)
    with pytest.raises(CniError, match="ens1f0, the PF of ens1f0v0, is down") as caught:
        find({"deviceID": VF_ADDRESS}, kernel)
    assert caught.value.code == Code.TRY_AGAIN
    assert caught.value.details == "set it up: ip link set dev ens1f0 up"
    assert find({"deviceID": VF_ADDRESS, "link_state": "enable"}, kernel).link


def test_a_pf_that_is_elsewhere_is_missed_only_where_it_is_needed(kernel: FakeKernel) -> None:
    kernel.add_namespace("/run/netns/other")
    pf = kernel.host.find("ens1f0")
    assert pf
    with kernel.open("/run/netns/other") as other:
        kernel.host.move(pf.index, other, "ens1f0")
    assert find({"deviceID": VF_ADDRESS}, kernel).port is None
    for key, value in {"trust": "off", "mac": "02:00:00:00:00:07"}.items():
        with pytest.raises(CniError, match=f"{key} is set, but {PF_ADDRESS}") as caught:
            find({"deviceID": VF_ADDRESS, key: value}, kernel)
        assert caught.value.code == Code.TRY_AGAIN


def test_a_function_that_a_program_drives(kernel: FakeKernel) -> None:
    device = find({"deviceID": PROGRAM}, kernel)
    assert device.link is None
    assert device.name == PROGRAM
    assert device.identity("").userspace
    assert device.key == f"pci-{PROGRAM}"


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


def test_a_vf_whose_driver_has_made_the_asked_mac_its_permanent_one() -> None:
    """Where the kernel tells no bus address of a link, before Linux 5.14."""
    asked = "02:00:00:00:60:01"
    link = replace(FREE, kind="", permanent_mac=asked, mac=asked)
    update = {"kind": "", "permanent_mac": "aa:00:00:00:00:01", "lower": 0}
    function = VETH.model_copy(update=update | {"pci_address": VF_ADDRESS})
    assert recognise([link], function)
    assert not recognise([replace(link, permanent_mac="02:00:00:00:99:99")], function)
    assert not recognise([link], VETH.model_copy(update=update))  # a NIC's does not change


def test_two_links_that_look_alike_are_told_apart_by_the_index() -> None:
    first, second = veth(index=8), veth(index=9)
    assert recognise([first, second], VETH, index=9) == second
