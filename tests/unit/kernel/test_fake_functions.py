"""What the fake's SR-IOV adapters and RDMA devices do that no test can make a machine do."""

from __future__ import annotations

import errno
from collections.abc import Iterable

import pytest

from cni.kernel.fake import FakeKernel, FakeSysfs
from cni.kernel.fake.functions import REFUSED_BY_IGB
from cni.kernel.functions import NO_MAC, LinkState, VfRate, VfSettings, VfVlan, VirtualFunction
from cni.kernel.interface import Kernel, Namespace, Sysfs
from cni.kernel.types import KernelError, Link
from tests.contract.kernel.worlds import get, refuses

POD = "/run/netns/pod"
PF, VF, VFIO = "0000:3b:00.0", "0000:3b:10.0", "0000:3b:10.2"


def node(
    *, refuses: Iterable[str] = REFUSED_BY_IGB, speed: int = 1000, up: bool = True
) -> FakeKernel:
    """Return a node with a PF, a VF with an RDMA device, and a VF for a program."""
    kernel = FakeKernel()
    kernel.add_namespace(POD)
    kernel.add_physical_function("ens1f0", pci=PF, refuses=refuses, speed=speed, up=up)
    kernel.add_virtual_function("ens1f0", pci=VF, rdma_device="mlx5_3")
    kernel.add_virtual_function("ens1f0", pci=VFIO, driver="vfio-pci", rdma_device="no driver")
    return kernel


def impose(kernel: FakeKernel, settings: VfSettings, number: int = 0) -> None:
    kernel.host.set_vf(get(kernel.host, "ens1f0").index, number, settings)


def shown(kernel: FakeKernel, number: int = 0) -> VfSettings:
    found = kernel.host.vf(get(kernel.host, "ens1f0").index, number)
    assert found
    return found


def function(kernel: FakeKernel) -> VirtualFunction:
    found = FakeSysfs(kernel).virtual_function(VF)
    assert found
    return found


def vf(namespace: Namespace, name: str = "ens1f0v0") -> Link:
    return get(namespace, name)


def test_they_keep_the_protocols() -> None:
    kernel: Kernel = node()
    sysfs: Sysfs = FakeSysfs(node())

    assert sysfs.device_exists(VF)
    assert not kernel.rdma_is_exclusive()


def test_a_function_for_a_program_has_no_netdev_and_no_mac() -> None:
    kernel = node()
    (_, other) = FakeSysfs(kernel).virtual_functions(PF)

    assert (other.address, other.index, other.netdev, other.rdma_device) == (VFIO, 1, "", "")
    assert other.is_userspace
    assert shown(kernel, 1).mac == NO_MAC


def test_a_function_that_is_away_is_not_in_sysfs_but_exists() -> None:
    kernel = node()
    kernel.set_rdma_mode(exclusive=True)
    with kernel.open(POD) as pod:
        kernel.host.move(vf(kernel.host).index, pod, "net1")
        kernel.host.move_rdma(0, pod)

    assert (function(kernel).netdev, function(kernel).rdma_device) == ("", "")
    assert FakeSysfs(kernel).device_exists(VF)
    kernel.delete_namespace(POD)
    assert (function(kernel).netdev, function(kernel).rdma_device) == ("net1", "mlx5_3")


def test_a_renamed_pf_is_seen_under_its_new_name() -> None:
    kernel = node()
    kernel.host.set_down(get(kernel.host, "ens1f0").index)
    kernel.host.rename(get(kernel.host, "ens1f0").index, "rail0")

    assert function(kernel).pf_netdev == "rail0"
    assert FakeSysfs(kernel).is_physical_function("rail0")
    assert not FakeSysfs(kernel).is_physical_function("ens1f0")
    assert kernel.add_virtual_function("rail0", pci="0000:3b:10.4") == 2


def test_functions_vanish_wherever_they_are() -> None:
    kernel = node()
    with kernel.open(POD) as pod:
        kernel.host.move(vf(kernel.host).index, pod, "net1")
        kernel.remove_virtual_functions(PF)
        assert pod.find("net1") is None

    assert list(FakeSysfs(kernel).virtual_functions(PF)) == []
    assert not FakeSysfs(kernel).device_exists(VF)
    assert list(kernel.host.rdma_devices()) == []
    assert kernel.host.vf(get(kernel.host, "ens1f0").index, 0) is None


def test_a_function_whose_driver_is_unbound_exists() -> None:
    kernel = node()
    kernel.delete_link("ens1f0v0")

    assert (function(kernel).netdev, function(kernel).driver) == ("", "")
    assert list(kernel.host.rdma_devices()) == []


def test_a_pf_whose_driver_is_unbound_has_no_functions() -> None:
    kernel = node()
    kernel.delete_link("ens1f0")

    assert kernel.host.find("ens1f0v0") is None
    (pf,) = FakeSysfs(kernel).physical_functions()
    assert (pf.netdev, pf.driver, pf.total_vfs) == ("", "", 8)


def test_there_are_no_more_functions_than_the_adapter_has() -> None:
    kernel = FakeKernel()
    kernel.add_physical_function("ens1f0", pci=PF, total_vfs=0)

    with pytest.raises(ValueError, match="0 VFs only"):
        kernel.add_virtual_function("ens1f0", pci=VF)
    with pytest.raises(LookupError):
        kernel.add_virtual_function("ens2f0", pci=VF)


@pytest.mark.parametrize(
    ("state", "up", "carrier"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("enable", False, True),
        ("disable", True, False),
    ],
)
def test_a_link_state_beats_the_pfs_own(
    state: LinkState,
    up: bool,  # noqa: FBT001 - a table's column
    carrier: bool,  # noqa: FBT001 - a table's column
) -> None:
    kernel = node(refuses=(), up=up)
    impose(kernel, VfSettings(link_state=state))
    kernel.host.set_up(vf(kernel.host).index)

    assert vf(kernel.host).carrier is carrier


def test_a_pulled_cable_of_the_pf_is_its_functions_too() -> None:
    kernel = node()
    kernel.host.set_up(vf(kernel.host).index)
    assert FakeSysfs(kernel).link_speed("ens1f0") == 1000
    kernel.set_carrier("ens1f0", connected=False)

    assert not vf(kernel.host).carrier
    assert FakeSysfs(kernel).link_speed("ens1f0") is None
    assert FakeSysfs(kernel).link_speed("lo") is None


def test_an_able_driver_refuses_nothing() -> None:
    kernel = node(refuses=(), speed=100_000)
    wanted = VfSettings(
        vlan=VfVlan(7, 1, "802.1ad"), link_state="disable", rate=VfRate(1000, 50_000)
    )
    impose(kernel, wanted)

    found = shown(kernel)
    assert (found.vlan, found.link_state, found.rate) == (
        wanted.vlan,
        wanted.link_state,
        wanted.rate,
    )
    refuses(errno.EINVAL, lambda: impose(kernel, VfSettings(rate=VfRate(2000, 1000))))


@pytest.mark.parametrize(
    ("name", "switch"),
    [("spoofchk", VfSettings(spoofchk=True)), ("trust", VfSettings(trust=True))],
)
def test_a_switch_that_the_driver_has_not_is_not_stated(name: str, switch: VfSettings) -> None:
    kernel = node(refuses=[name])

    assert getattr(shown(kernel), name) is None
    refuses(errno.EOPNOTSUPP, lambda: impose(kernel, switch))


def test_a_crash_before_a_change_leaves_those_before_it() -> None:
    kernel, said = node(), list[str]()

    def crash_at_trust(verb: str) -> None:
        said.append(verb)
        if "trust" in verb:
            raise KeyboardInterrupt

    kernel.machine.before_change = crash_at_trust
    with pytest.raises(KeyboardInterrupt):
        impose(kernel, VfSettings(spoofchk=False, trust=True, vlan=VfVlan(100)))

    assert said == [
        "ip link set dev ens1f0 vf 0 vlan 100 qos 0 proto 802.1q",
        "ip link set dev ens1f0 vf 0 spoofchk off",
        "ip link set dev ens1f0 vf 0 trust on",
    ]
    assert (shown(kernel).vlan, shown(kernel).spoofchk) == (VfVlan(100), False)
    assert shown(kernel).trust is False


def test_rdma_verbs_are_announced_before_they_change_anything() -> None:
    kernel, said = node(), list[str]()
    kernel.set_rdma_mode(exclusive=True)
    kernel.machine.before_change = said.append
    with kernel.open(POD) as pod:
        kernel.host.rename_rdma(0, "rdma0")
        kernel.host.move_rdma(0, pod)

    assert said == ["rdma dev set mlx5_3 name rdma0", f"rdma dev set rdma0 netns {POD}"]


def test_errors_are_in_the_words_of_iproute2() -> None:
    kernel = node()

    with pytest.raises(KernelError, match="ip link set dev ens1f0 vf 0 state enable: Operation"):
        impose(kernel, VfSettings(link_state="enable"))
    with pytest.raises(KernelError, match="rdma dev set mlx5_3 netns /proc/self/ns/net: Operation"):
        kernel.host.move_rdma(0, kernel.host)


def test_with_another_driver_a_vf_loses_its_netdev_and_keeps_what_is_imposed() -> None:
    kernel = node()
    impose(kernel, VfSettings(mac="02:00:00:00:70:01", vlan=VfVlan(7)))
    with kernel.open(POD) as pod:
        kernel.host.move(vf(kernel.host).index, pod, "net1")
        kernel.rebind(VF, "vfio-pci")
        assert pod.find("net1") is None
    assert (function(kernel).netdev, function(kernel).is_userspace) == ("", True)
    kernel.rebind(VF, "igbvf", "vf0")
    assert (function(kernel).netdev, function(kernel).driver) == ("vf0", "igbvf")
    assert vf(kernel.host, "vf0").mac == shown(kernel).mac == "02:00:00:00:70:01"
    assert shown(kernel).vlan == VfVlan(7)
