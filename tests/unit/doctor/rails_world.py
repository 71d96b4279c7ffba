"""A node of the fake with rails, and who has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import ip_interface
from pathlib import Path

from cni.agent.config import AgentConfig
from cni.kernel.fake import FakeKernel, FakeSysfs
from cni.protocol.request import Attachment, Pod
from cni.rail.attachment import Baseline, DeviceIdentity, Record
from install.doctor.rails.facts import Facts, Port
from install.doctor.rails.gathering import Node, Stated, gather

PF, VF0, VF1, OTHER = "0000:3b:00.0", "0000:3b:10.0", "0000:3b:10.2", "0000:5e:00.0"
NETNS = "/run/netns/worker-0"


class World:
    """A node with a PF with two VFs, and one without."""

    def __init__(self, folder: Path) -> None:
        self.kernel = FakeKernel()
        self.sysfs = FakeSysfs(self.kernel)
        self.folder = folder
        self.records: list[Record] = []
        self.kernel.add_physical_function("ens1", pci=PF, numa_node=0, rdma_device="mlx5_0")
        for address in (VF0, VF1):
            self.kernel.add_virtual_function("ens1", pci=address)
        self.kernel.add_physical_function("ens2", pci=OTHER, up=False)

    def node(self, pfs: Sequence[str] = ()) -> Node:
        settings = AgentConfig(pfs=list(pfs))  # type: ignore[arg-type]  # as TOML has it
        return Node(self.kernel, self.sysfs, self.records, settings, self.folder)

    def look(self, stated: Stated | None = None, pfs: Sequence[str] = ()) -> Facts:
        return gather(self.node(pfs), stated or Stated())

    def port(self) -> Port:
        (port,) = self.look().ports
        return port

    def attach(self, mtu: int = 9000, **changes: object) -> Record:
        """Let a pod have the first VF."""
        identity = self.kernel.add_namespace(NETNS)
        with self.kernel.open(NETNS) as pod:
            link = self.kernel.host.find("ens1v0")
            assert link
            self.kernel.host.move(link.index, pod, "net1")
            inside = pod.find("net1")
            assert inside
            pod.set_mtu(inside.index, 8000)
            pod.set_sysctl("ipv4/conf/net1/rp_filter", "1")
        record = Record(
            attachment=Attachment("roce-a", "4711", "net1"),
            pod=Pod("train", "worker-0", "uid"),
            rail="roce-a",
            boot_id=self.kernel.boot_id(),
            started=1,
            config=json.dumps({"type": "rail-sriov", "mtu": mtu}),
            args={},
            device=DeviceIdentity(
                pci_address=VF0, bus_address=VF0, host_name="ens1v0", kind="", permanent_mac="",
                macs=(), lower=0,
            ),
            baseline=Baseline(),
            netns=identity,
            netns_path=NETNS,
            pod_index=inside.index,
            attached=True,
            addresses=(ip_interface("10.60.0.5/16"),),
        ).model_copy(update=changes)  # fmt: skip
        self.records.append(record)
        return record
