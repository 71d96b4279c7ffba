"""`railctl vf list`: every PF and VF of the node, and who has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from install.railctl import functions
from install.railctl.attachments import _state
from install.railctl.functions import rows
from tests.scenario.rail.test_vf_settings import refuse
from tests.scenario.rail.worlds import MemoryWorld

FREE, HELD, PROGRAM, BARE = (f"0000:3b:02.{number}" for number in range(4))


@pytest.fixture
def memory(tmp_path: Path) -> MemoryWorld:
    """A node with four VFs of one PF; a pod has the second and the third."""
    memory = MemoryWorld(tmp_path)
    memory.add_function(FREE, numa_node=1, rdma_device="mlx5_2")
    memory.add_function(HELD)
    memory.add_function(PROGRAM, driver="vfio-pci")
    memory.add_function(BARE, driver="")
    pod = memory.add_pod()
    for ifname, address in (("net1", HELD), ("net2", PROGRAM)):
        reply = memory.call("ADD", pod=pod, ifname=ifname, deviceID=address, rail="roce-a")
        assert reply.exit_code == 0, reply.document
    return memory


def listed(memory: MemoryWorld) -> dict[str, dict[str, Any]]:
    records = memory.node.attachments.all()
    return {row["pci"]: row for row in rows(memory.kernel, memory.sysfs, records)}


def test_each_function_with_its_holder(memory: MemoryWorld) -> None:
    table = listed(memory)
    assert list(table) == ["0000:3b:00.0", FREE, HELD, PROGRAM, BARE]
    pf, free, held, program, bare = table.values()
    assert (pf["interface"], pf["driver"], pf["mtu"], pf["vf"]) == ("ens1f0", "igb", "9000", "")
    assert (free["numa"], free["rdma"], free["mtu"]) == ("1", "mlx5_2", "1500")
    assert (free["pf"], free["vf"], free["container"]) == ("ens1f0", "0", "")
    assert (held["interface"], held["mtu"]) == ("net1", "9000")  # looked up in the pod
    assert (held["rail"], held["container"]) == ("roce-a", "c1")
    assert (program["driver"], program["interface"], program["mtu"]) == ("vfio-pci", "net2", "")
    assert bare["driver"] == "none"
    assert len({tuple(row) for row in table.values()}) == 1  # one table


def test_a_pod_whose_namespace_is_gone(memory: MemoryWorld) -> None:
    (record, _) = memory.node.attachments.all()
    memory.delete_pod(record.netns_path)
    held = listed(memory)[HELD]
    assert (held["interface"], held["mtu"], held["container"]) == ("net1", "", "c1")


def test_what_an_earlier_boot_held_is_free(memory: MemoryWorld) -> None:
    records = [
        record.model_copy(update={"boot_id": "of-yesterday"})
        for record in memory.node.attachments.all()
    ]
    table = {row["pci"]: row for row in rows(memory.kernel, memory.sysfs, records)}
    assert table[HELD]["container"] == ""


def test_one_that_waits_to_be_as_it_was_is_on_the_host_and_nobodys(memory: MemoryWorld) -> None:
    pod, free = memory.add_pod(), listed(memory)[FREE]
    memory.call("ADD", pod=pod, container="c2", deviceID=FREE, vlan=100)
    assert listed(memory)[FREE]["container"] == "c2"
    refuse(memory, lambda verb: "vf 0 vlan 0" in verb)
    memory.call("DEL", pod=pod, container="c2", deviceID=FREE, vlan=100)
    (record,) = (one for one in memory.node.attachments.all() if one.unrestored)
    assert record.device.pci_address == FREE
    assert listed(memory)[FREE] == free
    assert _state(record, same_boot=True) == "not yet as it was"


def test_a_machine_without_sriov_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAILCNI_STATE_DIR", str(tmp_path))
    monkeypatch.setattr(functions, "rows", lambda *_: iter(()))
    functions.list_functions()
    assert "no device that can have virtual functions" in capsys.readouterr().out
