"""A node whose rails are well: two PFs with two VFs each, lossless, near a GPU each."""

from __future__ import annotations

from dataclasses import replace

from cni.kernel.adapters import Bridging, Driver, Pause
from cni.kernel.functions import PciDevice, PhysicalFunction, RdmaPort, VirtualFunction
from cni.kernel.types import Link
from install.doctor.rails.facts import Facts, Function, Port, Seen
from install.doctor.rails.resources import Kubelet, Resource, Selector

LOSSLESS = Bridging(
    lossless=frozenset({3}),
    classes=(0, 0, 0, 3, 0, 0, 0, 0),
    shares=(50, 0, 0, 50, 0, 0, 0, 0),
    dscp={26: 3, 48: 6},
)
OFF = Pause(agreed=False, receives=False, sends=False)
DRIVER = Driver("mlx5_core", "6.8.0", "28.39.1002")
HOLDER = "net1 of pod train/worker-0, container 4711 (network roce-a)"


def link(index: int, name: str, kind: str = "", mtu: int = 9000, master: int = 0) -> Link:
    mac = f"02:00:00:00:00:{index:02x}"
    return Link(index, name, mac, mtu, up=True, carrier=True, kind=kind, master=master)


def address(rail: int, number: int | None = None) -> str:
    return f"0000:{rail}b:00.0" if number is None else f"0000:{rail}b:02.{number}"


def free(rail: int, number: int) -> Function:
    pf, driver = f"ens{rail}", "mlx5_core"
    vf = VirtualFunction(
        address(rail, number), number, address(rail), pf, f"{pf}v{number}", driver, rail - 1,
        f"mlx5_{rail}{number}",
    )  # fmt: skip
    return Function(vf, "free")


def held(rail: int, number: int) -> Function:
    function = free(rail, number)
    return replace(
        function,
        vf=replace(function.vf, netdev="", rdma_device=""),
        state="held", holder=HOLDER, rail=f"roce-{'ab'[rail - 1]}", netns="/run/netns/worker-0",
        least_mtu=9000, pod=Seen(link(7, "net1"), "2"),
    )  # fmt: skip


def port(rail: int) -> Port:
    name = f"ens{rail}"
    pf = PhysicalFunction(address(rail), name, "mlx5_core", rail - 1, f"mlx5_{rail}", 16)
    return Port(
        pf, (held(rail, 0), free(rail, 1)), link(rail, name),
        least_mtu=9000, rp_filter="0", driver=DRIVER, pause=OFF, bridging=LOSSLESS,
        rdma_ports=(RdmaPort(f"mlx5_{rail}", 1, "ACTIVE"),),
    )  # fmt: skip


def on_bus(rail: int) -> list[PciDevice]:
    node, pf, vf, gpu = rail - 1, address(rail), address(rail, 0), f"0000:{rail}c:00.0"
    return [
        PciDevice(pf, "15b3", "1021", "0200", node, f"{rail}0", "identity"),
        PciDevice(vf, "15b3", "101e", "0200", node, f"{rail}1", "identity"),
        PciDevice(address(rail, 1), "15b3", "101e", "0200", node, f"{rail}2", "identity"),
        PciDevice(gpu, "10de", "2330", "0302", node, f"{rail}9", "identity"),
    ]


def resource(rail: int) -> Resource:
    return Resource(f"rdma/hca_shared_{'ab'[rail - 1]}", [Selector(pfs=(f"ens{rail}",))])


VFS = {rail: frozenset({address(rail, 0), address(rail, 1)}) for rail in (1, 2)}
ONE, TWO = port(1), port(2)
WELL = Facts(
    ports=(ONE, TWO),
    rdma_is_exclusive=True,
    bus=[*on_bus(1), *on_bus(2)],
    pod_filter="2",
    declared={"roce-a": "rdma/hca_shared_a", "roce-b": "rdma/hca_shared_b"},
    resources=(resource(1), resource(2)),
    kubelet=Kubelet(
        {"rdma/hca_shared_a": VFS[1], "rdma/hca_shared_b": VFS[2]},
        {address(1, 0): "uid-0", address(2, 0): "uid-0"},
    ),
)
