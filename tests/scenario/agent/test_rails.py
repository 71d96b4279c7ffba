"""PFs are watched: what is wrong is said once, counted, and a reason why pods might not start."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cni.kernel.fake import FakeKernel, FakeSysfs
from cni.kernel.functions import RdmaPort
from cni.protocol.errors import Code
from tests.scenario.agent.attendant import Attendant
from tests.scenario.rail.test_interrupted import link_of, rewrite
from tests.scenario.rail.test_left_behind import leave_vlan
from tests.scenario.rail.worlds import PF, MemoryWorld

VF, OTHER_VF, THIRD_VF = "0000:3b:02.1", "0000:3b:02.2", "0000:3b:02.3"
SECOND_PF, SECOND_PFS_VF = "0000:5e:00.0", "0000:5e:02.1"


@pytest.fixture
def pf(memory: MemoryWorld) -> int:
    """A PF with one VF, well; return its index."""
    memory.add_function(VF)
    return link_of(memory.kernel.host, "ens1f0").index


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level("INFO", "cni.agent.rails")
    return caplog


@pytest.mark.usefixtures("pf")
def test_a_pf_that_is_well(memory: MemoryWorld, agent: Attendant) -> None:
    memory.kernel.count_errors("ens1f0", "rx_crc_errors", 7)
    agent.does("rails")
    assert agent.part.ailments() == []
    assert agent.figures("pf_up") == agent.figures("pf_carrier") == {("ens1f0",): 1}
    assert agent.figure("pf_mtu_bytes", "ens1f0") == 9000
    assert agent.figure("pf_errors", "ens1f0", "rx_crc_errors") == 7
    assert agent.figure("pf_errors", "ens1f0", "tx_dropped") == 0


def test_a_pf_that_goes_down_and_comes_up(
    memory: MemoryWorld, agent: Attendant, said: pytest.LogCaptureFixture, pf: int
) -> None:
    agent.does("rails")
    memory.kernel.host.set_down(pf)
    for _ in range(2):
        agent.does("rails")
    assert agent.part.ailments() == ["ens1f0 is down: ip link set dev ens1f0 up"]
    assert (agent.figure("pf_up", "ens1f0"), agent.figure("pf_carrier", "ens1f0")) == (0, 0)
    memory.kernel.host.set_up(pf)
    for _ in range(2):
        agent.does("rails")
    assert agent.part.ailments() == []
    assert [(r.levelname, r.message) for r in said.records] == [
        ("WARNING", "ens1f0: is down: ip link set dev ens1f0 up"),
        ("INFO", "ens1f0: no longer: is down: ip link set dev ens1f0 up"),
    ]


@pytest.mark.usefixtures("pf")
def test_a_cable_that_is_pulled(memory: MemoryWorld, agent: Attendant) -> None:
    memory.kernel.set_carrier("ens1f0", connected=False)
    agent.does("rails")
    assert agent.part.ailments() == ["ens1f0 has no carrier"]
    assert (agent.figure("pf_up", "ens1f0"), agent.figure("pf_carrier", "ens1f0")) == (1, 0)


def test_an_mtu_that_is_less_than_usual(memory: MemoryWorld, agent: Attendant, pf: int) -> None:
    memory.kernel.host.set_mtu(pf, 1500)
    agent.does("rails")
    (problem,) = agent.part.ailments()
    assert problem.startswith("ens1f0 has MTU 1500, expected at least 9000: ip link set dev")
    assert agent.figure("pf_mtu_bytes", "ens1f0") == 1500
    assert agent.figure("pf_least_mtu_bytes", "ens1f0") == 9000
    agent.given = {"least_mtu": 1500}
    agent.start()
    agent.does("rails")
    assert agent.part.ailments() == []


def test_an_mtu_that_is_less_than_a_pod_was_promised(
    memory: MemoryWorld, agent: Attendant, pf: int
) -> None:
    memory.kernel.host.set_mtu(pf, 9200)
    memory.call("ADD", pod=memory.add_pod(), deviceID=VF, mtu=9200)
    memory.kernel.host.set_mtu(pf, 9100)
    agent.does("rails")
    (problem,) = agent.part.ailments()
    assert "has MTU 9100, expected at least 9200" in problem
    assert agent.figure("pf_least_mtu_bytes", "ens1f0") == 9200
    rewrite(memory, released=True)
    agent.does("rails")
    assert agent.part.ailments() == []


def test_a_pf_that_is_moved_away_keeps_its_name(
    memory: MemoryWorld, agent: Attendant, pf: int
) -> None:
    agent.does("rails")
    with memory.kernel.open(memory.add_pod()) as elsewhere:
        memory.kernel.host.move(pf, elsewhere, "ens1f0")
        agent.does("rails")
        assert agent.part.ailments() == ["ens1f0 has no interface on the host"]
        assert agent.figures("pf_up") == {("ens1f0",): 0}
        assert agent.figures("pf_mtu_bytes") == {}
        memory.kernel.add_veth("ens1f0", "another")  # which is no PF's
        agent.does("rails")
        assert agent.part.ailments() == ["ens1f0 has no interface on the host"]


@pytest.mark.usefixtures("pf")
def test_a_pf_that_loses_its_driver_or_is_pulled_out_is_missed(
    memory: MemoryWorld, agent: Attendant
) -> None:
    agent.does("rails")
    memory.kernel.delete_link("ens1f0")
    agent.does("rails")
    assert agent.part.ailments() == ["ens1f0 has no interface on the host"]
    memory.kernel.machine.pfs.clear()
    for _ in range(2):
        agent.does("rails")
    assert agent.part.ailments() == ["ens1f0 has no interface on the host"]


@pytest.mark.usefixtures("pf")
def test_a_pf_whose_vfs_are_removed_is_no_rail_any_more(
    memory: MemoryWorld, agent: Attendant
) -> None:
    agent.does("rails")
    memory.kernel.remove_virtual_functions("ens1f0")
    agent.does("rails")
    assert agent.figures("pf_up") == {}


@pytest.mark.usefixtures("pf")
def test_which_pfs_are_watched(memory: MemoryWorld, agent: Attendant) -> None:
    memory.kernel.add_physical_function("ens2f0", pci=SECOND_PF, mtu=9000)
    agent.does("rails")
    assert set(agent.figures("pf_up")) == {("ens1f0",)}
    for pfs in (("ens2f0",), (SECOND_PF,)):
        agent.given = {"pfs": pfs}
        agent.start()
        agent.does("rails")
        assert agent.figures("pf_up") == {("ens2f0",): 1}
    agent.given = {"pfs": ("ens2f0", "ens9f9")}
    agent.start()
    agent.does("rails")
    assert agent.part.ailments() == ["ens9f9 has no interface on the host"]


def test_an_adapter_without_sriov_is_watched_if_it_is_named(memory: MemoryWorld) -> None:
    memory.kernel.add_physical("eno1")
    agent = Attendant(memory, {"pfs": ("eno1",), "least_mtu": 1500})
    agent.does("rails")
    assert agent.part.ailments() == ["eno1 is down: ip link set dev eno1 up"]
    assert agent.figures("vfs") == {}


def test_vfs_by_who_has_them(memory: MemoryWorld, agent: Attendant) -> None:
    memory.add_function(VF)
    leave_vlan(memory)
    memory.add_function(OTHER_VF)
    memory.add_function(THIRD_VF, driver="vfio-pci")
    memory.add_function("0000:3b:02.4")
    name = memory.add_function("0000:3b:02.5")
    memory.call("ADD", pod=memory.add_pod(), deviceID=OTHER_VF, container="c2")
    with memory.kernel.open(memory.add_pod()) as elsewhere:
        memory.kernel.host.move(link_of(memory.kernel.host, name).index, elsewhere, "x")
        agent.does("rails")
        states = ("unrestored", "held", "userspace", "free", "away")
        assert agent.figures("vfs") == {("ens1f0", state): 1 for state in states}
    assert agent.figure("unfinished_attachments") == 1


def test_a_vf_that_is_only_without_its_name_is_free(memory: MemoryWorld, agent: Attendant) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF)
    memory.kernel.add_veth(name, "peer0")
    memory.call("DEL", pod=pod, deviceID=VF)
    agent.does("rails")
    assert agent.figure("vfs", "ens1f0", "free") == 1


def test_an_rdma_port(memory: MemoryWorld, agent: Attendant) -> None:
    memory.kernel.add_physical_function("ens1f0", pci=PF, mtu=9000, rdma_device="mlx5_0")
    memory.add_function(VF)
    agent.does("rails")
    assert agent.figures("rdma_port_up") == {("mlx5_0", "1"): 1}
    memory.kernel.set_carrier("ens1f0", connected=False)
    agent.does("rails")
    assert agent.figures("rdma_port_up") == {("mlx5_0", "1"): 0}
    assert "ens1f0 has the RDMA port mlx5_0/1, which is DOWN" in agent.part.ailments()


def test_an_rdma_port_that_is_down_while_its_link_is_up(
    memory: MemoryWorld, agent: Attendant, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.kernel.add_physical_function("ens1f0", pci=PF, mtu=9000, rdma_device="mlx5_0")
    memory.add_function(VF)
    ports = [RdmaPort("mlx5_0", 1, "ACTIVE"), RdmaPort("mlx5_0", 2, "INIT")]
    monkeypatch.setattr(FakeSysfs, "rdma_ports", lambda *_: ports)
    agent.does("rails")
    assert agent.part.ailments() == ["ens1f0 has the RDMA port mlx5_0/2, which is INIT"]


@pytest.mark.usefixtures("pf")
def test_a_pf_that_cannot_be_looked_at_does_not_stop_the_others(
    memory: MemoryWorld, agent: Attendant, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.kernel.add_physical_function("ens2f0", pci=SECOND_PF, mtu=9000)
    memory.kernel.add_virtual_function("ens2f0", pci=SECOND_PFS_VF)
    real = FakeSysfs.error_counters

    def error_counters(self: FakeSysfs, netdev: str) -> object:
        if netdev == "ens1f0":
            raise OSError(5, "Input/output error")
        return real(self, netdev)

    monkeypatch.setattr(FakeSysfs, "error_counters", error_counters)
    agent.does("rails")
    (problem,) = agent.part.ailments()
    assert problem.startswith("ens1f0 cannot be looked at: ")
    assert agent.figures("pf_up") == {("ens1f0",): 0, ("ens2f0",): 1}


def test_a_node_without_sriov_has_no_rails_and_no_problem(
    memory: MemoryWorld, agent: Attendant
) -> None:
    assert isinstance(memory.kernel, FakeKernel)
    agent.does("rails")
    assert agent.part.ailments() == []
    assert agent.figures("pf_up") == agent.figures("vfs") == {}


def test_status_of_a_rail_that_is_down_and_of_another_one(
    memory: MemoryWorld, agent: Attendant, pf: int
) -> None:
    assert memory.call("ADD", pod=memory.add_pod(), deviceID=VF).exit_code == 0
    agent.does("rails")
    node = replace(memory.node, outages=agent.part.outages)
    assert memory.call("STATUS", pod="", node=node).exit_code == 0
    memory.kernel.host.set_down(pf)
    agent.does("rails")
    reply = memory.call("STATUS", pod="", node=node)
    assert reply.document
    assert reply.document["code"] == Code.NOT_AVAILABLE
    assert reply.document["msg"].startswith("rail roce-a is down: ens1f0 is down")
    assert memory.call("STATUS", pod="", node=node, network="roce-b").exit_code == 0
    assert memory.call("STATUS", pod="").exit_code == 0  # who does not watch knows nothing of it
