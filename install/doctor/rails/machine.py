"""What is judged of the machine around the rails: RDMA, IOMMU, NUMA.  Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from cni.kernel.functions import PciDevice
from install.doctor.findings import Finding, error, info, ok, warning
from install.doctor.rails.facts import Facts

_ACCELERATORS = frozenset({"0302", "0380", "1200"})
"""3D controllers, other displays without a screen, processing accelerators."""
_SCREEN = "0300"
_GPU_MAKERS = frozenset({"10de", "1002", "8086"})
"""Whose class 0300 may compute; a server's own is a management controller's."""
_STRAIGHT = "identity"


def rdma(facts: Facts) -> Iterator[Finding]:
    """Say whether each pod has its own RDMA devices, and whether each VF has one."""
    with_one = [f for f in facts.functions if f.vf.rdma_device or f.state == "held"]
    free = [f.vf for f in facts.functions if f.state == "free"]
    without = [vf for vf in free if not vf.rdma_device]
    if not any(port.pf.rdma_device for port in facts.ports) and not any(
        f.vf.rdma_device for f in facts.functions
    ):
        if facts.ports:
            yield info("rdma", "no rail of this node has an RDMA device", "NCCL uses TCP on them")
        return
    if facts.rdma_is_exclusive:
        yield ok("rdma", "each RDMA device belongs to one namespace (exclusive mode)")
    else:
        yield warning(
            "rdma",
            "RDMA devices are shared: every pod sees those of all others",
            "a pod that names no device takes somebody else's, whose addresses are not its own",
            "rdma system set netns exclusive  # while no pod runs",
            "echo 'options ib_core netns_mode=0' >/etc/modprobe.d/ib_core.conf  # and it lasts",
        )
    if with_one and without:
        listed = ", ".join(vf.address for vf in without)
        yield warning(
            "rdma",
            f"free VFs without an RDMA device, where others have one: {listed}",
            "a pod that gets one of them falls back to TCP on that rail",
            *(f"dmesg | grep {vf.address}" for vf in without[:2]),
        )


def iommu(facts: Facts) -> Iterator[Finding]:
    """Say whether an IOMMU is at work, and whether it is in the way."""
    own = {function.vf.address for function in facts.functions}
    own |= {port.pf.address for port in facts.ports}
    devices = [device for device in facts.bus if device.address in own]
    groups = {device.address: device.iommu_group for device in devices}
    stranded = [
        function.vf.address
        for function in facts.functions
        if function.vf.is_userspace and not groups.get(function.vf.address)
    ]
    if stranded:
        yield error(
            "iommu",
            f"no IOMMU is at work, and {', '.join(stranded)} is driven from userspace",
            "vfio gives a device only to whom an IOMMU can hold in",
            "intel_iommu=on (AMD: amd_iommu=on) iommu=pt on the kernel's command line, and reboot",
        )
        return
    if not any(groups.values()):
        if devices:
            yield info("iommu", "no IOMMU is at work: VFs for kernel drivers need none")
        return
    translated = [d for d in devices if d.iommu_domain and d.iommu_domain != _STRAIGHT]
    if translated:
        yield warning(
            "iommu",
            f"the IOMMU translates all DMA of the rails ({translated[0].iommu_domain})",
            "each transfer pays for it, and GPUDirect across it is slow or refused",
            "iommu=pt on the kernel's command line, and reboot",
        )
    else:
        yield ok("iommu", "an IOMMU is at work, and the rails' DMA goes straight")


def numa(facts: Facts) -> Iterator[Finding]:
    """Say which rails are near which GPUs."""
    rails: dict[int, list[str]] = defaultdict(list)
    for port in facts.ports:
        if port.pf.numa_node is not None:
            rails[port.pf.numa_node].append(port.name)
    gpus: dict[int, list[str]] = defaultdict(list)
    for device in facts.bus:
        if _computes(device) and device.numa_node is not None:
            gpus[device.numa_node].append(device.address)
    nodes = sorted(rails.keys() | gpus.keys())
    untold = [port.name for port in facts.ports if port.pf.numa_node is None]
    if untold and nodes:
        yield info(
            "numa",
            f"the platform does not say which NUMA node {', '.join(untold)} is on",
            "nobody can place a pod near it",
        )
    for node in nodes:
        yield from _of_node(node, rails.get(node, []), gpus.get(node, []), has_gpus=bool(gpus))


def _of_node(node: int, rails: list[str], gpus: list[str], *, has_gpus: bool) -> Iterator[Finding]:
    if gpus and not rails:
        yield warning(
            "numa",
            f"{len(gpus)} GPUs are on NUMA node {node}, and no rail is",
            "whatever they send crosses the processors' link: about half the bandwidth",
            "put an adapter into a slot of that processor; nvidia-smi topo -m shows both",
        )
    elif rails and has_gpus and not gpus:
        yield info(
            "numa",
            f"{', '.join(rails)} on NUMA node {node}, where no GPU is",
            "pods reach it across the processors' link",
        )
    elif rails:
        near = f", with {len(gpus)} GPUs" if gpus else ""
        yield ok("numa", f"{', '.join(rails)} on NUMA node {node}{near}")


def _computes(device: PciDevice) -> bool:
    if device.kind in _ACCELERATORS:
        return True
    return device.kind == _SCREEN and device.vendor in _GPU_MAKERS
