"""What is looked up of rails: on the fake, which has PFs; and on this kernel, as it is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cni.agent.config import AgentConfig
from cni.kernel.adapters import LACP, Bond, Bridging, Driver, Pause
from cni.kernel.fake import FakeSysfs
from cni.kernel.functions import PciDevice, PhysicalFunction, VirtualFunction
from cni.kernel.linux import LinuxKernel
from cni.kernel.sysfs import LinuxSysfs
from install.doctor.rails.facts import Function
from install.doctor.rails.gathering import Node, Stated, gather
from install.doctor.rails.resources import Resource, Selector
from tests.unit.doctor.rails_world import NETNS, OTHER, VF0, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "device-plugins")


def test_pfs_with_vfs_are_rails_and_others_are_not(world: World) -> None:
    facts = world.look()
    assert [port.name for port in facts.ports] == ["ens1"]
    assert [pf.netdev for pf in facts.others] == ["ens2"]
    assert [function.state for function in facts.functions] == ["free", "free"]


def test_who_names_pfs_means_these(world: World) -> None:
    facts = world.look(pfs=["ens2", "ens9"])
    assert [port.name for port in facts.ports] == ["ens2"]
    assert (list(facts.others), facts.missing) == ([], ["ens9"])


@pytest.mark.parametrize("selector", [Selector(pfs=("ens2#0-3",)), Selector(roots=(OTHER,))])
def test_a_pf_that_the_device_plugin_names_is_a_rail(world: World, selector: Selector) -> None:
    facts = world.look(Stated(resources=[Resource("rdma/b", [selector])]))
    assert [port.name for port in facts.ports] == ["ens1", "ens2"]


def test_what_a_port_is_like(world: World) -> None:
    kernel = world.kernel
    driver, pause = Driver("igb", "6.18", "3.25"), Pause(agreed=True, receives=True, sends=True)
    bridging = Bridging(lossless=frozenset({3}))
    kernel.set_driver("ens1", driver)
    kernel.set_pause("ens1", pause)
    kernel.set_bridging("ens1", bridging)
    kernel.add_bond("bond0", Bond(LACP))
    kernel.set_master("ens1", "bond0")
    kernel.host.set_sysctl("ipv4/conf/all/rp_filter", "2")
    port = world.port()
    assert (port.driver, port.pause, port.bridging) == (driver, pause, bridging)
    assert port.master
    assert (port.master.name, world.look().bonds) == ("bond0", {"bond0": Bond(LACP)})
    assert (port.rp_filter, world.look().pod_filter) == ("2", "2")
    assert [(one.device, one.state) for one in port.rdma_ports] == [("mlx5_0", "ACTIVE")]
    assert port.least_mtu == 9000


def test_a_vf_in_its_pod(world: World) -> None:
    record = world.attach(mtu=9200)
    port = world.port()
    function = port.functions[0]
    assert (function.state, function.rail, function.holder) == ("held", "roce-a", record.holder)
    assert (function.netns, function.least_mtu, port.least_mtu) == (NETNS, 9200, 9200)
    assert function.pod
    assert (function.pod.link.name, function.pod.link.mtu) == ("net1", 8000)
    assert function.pod.rp_filter == "1"
    assert port.rails == ["roce-a"]


def test_a_vf_whose_pod_has_gone(world: World) -> None:
    world.attach()
    world.kernel.delete_namespace(NETNS)
    world.kernel.add_namespace(NETNS)  # another one, at the same path
    function = world.port().functions[0]
    assert (function.state, function.pod) == ("held", None)
    world.kernel.delete_namespace(NETNS)
    assert world.port().functions[0].pod is None


def test_records_of_an_earlier_boot_hold_nothing(world: World) -> None:
    world.attach(boot_id="earlier")
    assert world.port().functions[0] == Function(world.port().functions[0].vf, "away")


def test_a_vf_that_could_not_be_given_back(world: World) -> None:
    world.attach(unrestored=True, released=True)
    function = world.port().functions[0]
    assert (function.state, function.rail, function.pod) == ("unrestored", "roce-a", None)


def test_the_machine_around_them(world: World) -> None:
    gpu = PciDevice("0000:3c:00.0", "10de", "2330", "0302", 0)
    world.kernel.add_pci_device(gpu)
    world.kernel.isolate(VF0, "7", "identity")
    world.kernel.set_rdma_mode(exclusive=True)
    facts = world.look()
    assert facts.rdma_is_exclusive
    assert gpu in facts.bus
    (vf,) = (device for device in facts.bus if device.address == VF0)
    assert (vf.iommu_group, vf.iommu_domain) == ("7", "identity")


def test_kubelets_file(world: World) -> None:
    assert world.look().kubelet is None
    world.folder.mkdir()
    kept = world.look().kubelet
    assert kept
    assert not kept.registered
    file = world.folder / "kubelet_internal_checkpoint"
    file.write_text('{"Data": {"RegisteredDevices": {"rdma/a": ["0000:3b:10.0"]}}}')
    kept = world.look().kubelet
    assert kept
    assert kept.registered == {"rdma/a": frozenset({VF0})}
    file.write_text("torn")
    facts = world.look()
    assert facts.kubelet is None
    assert [words.startswith(f"{file} cannot be read") for words in facts.unknown] == [True]


def test_a_pf_that_cannot_be_looked_at_does_not_hide_the_others(world: World) -> None:
    class Refusing(FakeSysfs):
        def pci_devices(self) -> Sequence[PciDevice]:
            raise PermissionError("denied")

    node = replace(world.node(), sysfs=Refusing(world.kernel))
    facts = gather(node, Stated())
    assert [port.name for port in facts.ports] == ["ens1"]
    assert facts.unknown == ("denied",)


def test_a_pf_whose_vfs_cannot_be_looked_at_does_not_either(world: World) -> None:
    class Refusing(FakeSysfs):
        def virtual_functions(self, pf_address: str) -> Sequence[VirtualFunction]:
            if pf_address == OTHER:
                raise OSError(5, "Input/output error")
            return super().virtual_functions(pf_address)

    facts = gather(replace(world.node(), sysfs=Refusing(world.kernel)), Stated())
    assert [port.name for port in facts.ports] == ["ens1"]
    assert facts.unknown == ("[Errno 5] Input/output error",)


def test_a_bus_that_cannot_be_looked_at(world: World) -> None:
    class Refusing(FakeSysfs):
        def physical_functions(self) -> Sequence[PhysicalFunction]:
            raise PermissionError("denied")

    facts = gather(replace(world.node(), sysfs=Refusing(world.kernel)), Stated())
    assert (list(facts.ports), facts.unknown) == ([], ("denied",))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"Data": {"RegisteredDevices": [1]}}'])
def test_a_file_that_kubelet_never_wrote(world: World, text: str) -> None:
    world.folder.mkdir()
    (world.folder / "kubelet_internal_checkpoint").write_text(text)
    facts = world.look()
    assert (facts.kubelet, len(facts.unknown)) == (None, 1)


@pytest.mark.netns
def test_the_running_kernel_tells_what_it_has(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    facts = gather(
        Node(LinuxKernel(), LinuxSysfs(), (), AgentConfig(), tmp_path / "none"), Stated()
    )
    assert facts.unknown == ()
    assert facts.pod_filter in {"0", "1", "2"}
    assert facts.kubelet is None
