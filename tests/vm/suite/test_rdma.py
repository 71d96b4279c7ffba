"""RDMA from pods over their VFs, by soft RoCE: the kernel's rdma_rxe, in shared mode."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spec.node import run, wait_until
from tests.spec.runtime import PROGRAMS, Slot
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF
from tests.vm.suite.machine import Machine, MachineRuntime, rail

pytestmark = pytest.mark.long

DEVICE_INFO = Path("/var/run/k8s.cni.cncf.io/devinfo/cni/abc-device.json")


@pytest.fixture(autouse=True)
def _soft_roce() -> Iterator[None]:
    """Load it; what is left of it goes with the test."""
    run("modprobe", "rdma_rxe")
    yield
    for device in json.loads(run("rdma", "-j", "dev", "show") or "[]"):
        run("rdma", "link", "delete", device["ifname"])


def test_an_rdma_device_on_the_rail_is_the_pods_to_open(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    """Shared mode needs nothing of railcni.

    It carries no traffic here: rdma_rxe looks for its routes in the host's namespace (rxe_net.c).
    """
    (vf,), pod = vfs(rail_a, 1), machine.pod()
    slot = Slot(pod.path)
    address = runtime.add(rail(vf), slot).addresses[0].partition("/")[0]
    wait_until(lambda: "LOWER_UP" in pod.link("net1")["flags"], "carrier in the pod")
    pod.run("rdma", "link", "add", "rxe0", "type", "rxe", "netdev", "net1")
    told = pod.run("ibv_devinfo", "-v", "-d", "rxe0")
    assert "PORT_ACTIVE" in told
    assert f"::ffff:{address}, RoCE v2" in told
    assert runtime.delete(rail(vf), slot).exit_code == 0


def test_the_rdma_device_is_named_as_long_as_it_is_there(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    """One of soft RoCE goes when its interface moves: then the file must not name it."""
    (vf,) = vfs(rail_a, 1)
    run("rdma", "link", "add", "rxe7", "type", "rxe", "netdev", vf.netdev)
    listed = json.loads(run(str(PROGRAMS / "railctl"), "vf", "list", "--output", "json"))
    assert {row["pci"]: row["rdma"] for row in listed}[vf.address] == "rxe7"
    pod = machine.pod()
    config = rail(vf, runtimeConfig={"CNIDeviceInfoFile": str(DEVICE_INFO)})
    assert runtime.add(config, Slot(pod.path)).exit_code == 0
    assert run("rdma", "dev", "show") == ""
    assert json.loads(DEVICE_INFO.read_text()) == {
        "type": "pci",
        "version": "1.1.0",
        "pci": {"pci-address": vf.address, "pf-pci-address": rail_a.address},
    }
    assert runtime.delete(config, Slot(pod.path)).exit_code == 0
    assert not DEVICE_INFO.exists()


def test_exclusive_mode_must_be_the_nodes(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    (vf,) = vfs(rail_a, 1)
    pod = machine.pod()
    reply = runtime.add(rail(vf, rdma="exclusive"), Slot(pod.path))
    assert reply.error[0] == 7
    assert "the node is in RDMA's shared mode" in reply.error[1]
