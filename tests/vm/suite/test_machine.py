"""The laboratory itself is what the other tests take it for."""

from __future__ import annotations

from pathlib import Path

from tests.spec.node import run, wait_until
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF
from tests.vm.suite.machine import Machine, await_ping, ping, plug


def test_two_physical_functions_are_on_two_numa_nodes(rail_a: PF, rail_b: PF) -> None:
    assert (rail_a.driver, rail_b.driver) == ("igb", "igb")
    assert (rail_a.numa_node, rail_b.numa_node) == (0, 1)


def test_each_makes_seven_virtual_functions_at_its_own_place(
    rails: tuple[PF, PF], vfs: LendVFs
) -> None:
    for pf in rails:
        made = vfs(pf, 7)
        assert made == pf.vfs()
        assert {vf.driver for vf in made} == {"igbvf"}
        assert {vf.numa_node for vf in made} == {pf.numa_node}
        assert len({vf.link()["address"] for vf in made}) == 7


def test_jumbo_frames_cross_one_rail_and_none_crosses_to_the_other(
    rail_a: PF, rail_b: PF, vfs: LendVFs, machine: Machine
) -> None:
    one, other, stranger = machine.pod(), machine.pod(), machine.pod()
    for number, (pod, vf) in enumerate(
        zip((one, other, stranger), vfs(rail_a, 2) + vfs(rail_b, 1), strict=True), start=1
    ):
        plug(vf, pod, f"10.60.0.{number}/16")
    await_ping(one, "10.60.0.2")
    assert ping(one, "10.60.0.2", 8973).returncode != 0
    wait_until(lambda: "LOWER_UP" in stranger.link("net1")["flags"], "carrier on rail B")
    # Not even the question for its address arrives: whoever answers one knows who asked.
    assert ping(one, "10.60.0.3", 56).returncode != 0
    assert stranger.show("-4", "neighbour", "show") == []
    assert [told["dst"] for told in other.show("-4", "neighbour", "show")] == ["10.60.0.1"]


def test_a_used_virtual_function_is_lent_like_new(rail_a: PF, vfs: LendVFs) -> None:
    (vf,) = vfs(rail_a, 1)
    before = vf.state()
    run("ip", "link", "set", vf.netdev, "mtu", "4200", "up")
    run("ip", "link", "set", rail_a.netdev, "vf", str(vf.number), "mac", "02:00:00:00:00:01",
        "vlan", "100", "spoofchk", "off", "trust", "on", "max_tx_rate", "100")  # fmt: skip
    vf.reset()
    after = vf.state()
    mac = after["link"]["address"]  # a new one, for it is random
    for told in (before["link"], before["settings"], before["sysfs"]):
        told["address"] = mac
    assert after == before


def test_soft_roce_runs_on_a_virtual_function(rail_a: PF, vfs: LendVFs) -> None:
    (vf,) = vfs(rail_a, 1)
    run("modprobe", "rdma_rxe")
    run("rdma", "link", "add", "rxe0", "type", "rxe", "netdev", vf.netdev)
    try:
        assert Path("/sys/class/infiniband/rxe0/parent").read_text().strip() == vf.netdev
        assert "rxe0" in run("ibv_devices")
    finally:
        run("rdma", "link", "delete", "rxe0")


def test_a_virtual_function_binds_to_vfio(rail_a: PF, vfs: LendVFs) -> None:
    (vf,) = vfs(rail_a, 1)
    run("modprobe", "vfio-pci")
    vf.bind("vfio-pci")
    group = (vf.path / "iommu_group").readlink().name
    assert vf.netdevs == []
    assert Path("/dev/vfio", group).is_char_device()
    vf.bind("igbvf")
    assert vf.netdevs
