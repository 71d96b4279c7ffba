"""The facts of a node's rails, looked up in its kernel, its records and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cni.agent.config import AgentConfig
from cni.agent.rails import state_of
from cni.agent.roll import mtu_of
from cni.kernel.adapters import Bond
from cni.kernel.functions import PhysicalFunction, VirtualFunction
from cni.kernel.interface import Kernel, Namespace, Sysfs
from cni.kernel.types import Link, NetnsGoneError
from cni.rail.attachment import Record
from install.doctor.rails.facts import Facts, Function, Port, Seen
from install.doctor.rails.resources import Kubelet, Resource, kubelet
from install.doctor.unknown import Unknown

_CHECKPOINT = "kubelet_internal_checkpoint"


@dataclass(frozen=True, slots=True)
class Node:
    """What the rails of a node are looked at by; tests put fakes here."""

    kernel: Kernel
    sysfs: Sysfs
    records: Sequence[Record]
    settings: AgentConfig = field(default_factory=AgentConfig)
    device_plugins: Path = Path("/var/lib/kubelet/device-plugins")


@dataclass(frozen=True, slots=True)
class Stated:
    """What files say of the rails."""

    declared: Mapping[str, str] = field(default_factory=dict)
    """Of each rail of the node file its resource, where that is named."""
    resources: Sequence[Resource] | None = None
    shared_plugin: bool = False
    wanted: bool = False
    """Whether the node file declares rails."""


def gather(node: Node, stated: Stated) -> Facts:
    """Look at a node.

    Raises:
        KernelError: not even its links can be looked at.
    """
    host, unknown = node.kernel.host, Unknown()
    links = {link.index: link for link in host.links()}
    ports, others = _ports(node, stated, links, unknown)
    wanted = node.settings.pfs
    known = {name for port in ports for name in (port.pf.netdev, port.pf.address)}
    facts = Facts(
        ports=ports,
        others=others,
        missing=[name for name in wanted if name not in known and not host.find(name)],
        declared=stated.declared,
        resources=stated.resources,
        shared_plugin=stated.shared_plugin,
        wanted=stated.wanted,
    )
    with unknown:
        facts = replace(facts, bonds=_bonds(host, ports))
    with unknown:
        facts = replace(facts, bus=node.sysfs.pci_devices(), pod_filter=_filter(host, "default"))
    with unknown:
        facts = replace(facts, rdma_is_exclusive=node.kernel.rdma_is_exclusive())
    with unknown:
        facts = replace(facts, kubelet=_kubelet(node.device_plugins))
    return replace(facts, unknown=tuple(unknown.words))


def _ports(
    node: Node, stated: Stated, links: Mapping[int, Link], unknown: Unknown
) -> tuple[list[Port], list[PhysicalFunction]]:
    """Return the rails' PFs, and the others: who has named some in agent.toml means no more."""
    wanted, named = set(node.settings.pfs), set[str]()
    for resource in stated.resources or ():
        for selector in resource.selectors:
            named |= {name.partition("#")[0] for name in (*selector.pfs, *selector.roots)}
    ports, others = list[Port](), list[PhysicalFunction]()
    found: Sequence[PhysicalFunction] = ()
    with unknown:
        found = node.sysfs.physical_functions()
    for pf in found:
        with unknown:
            functions = node.sysfs.virtual_functions(pf.address)
            names = {pf.netdev, pf.address}
            if names & wanted if wanted else functions or names & named:
                ports.append(_port(node, pf, functions, links, unknown))
            elif not functions:
                others.append(pf)
    return ports, others


def _port(
    node: Node,
    pf: PhysicalFunction,
    functions: Sequence[VirtualFunction],
    links: Mapping[int, Link],
    unknown: Unknown,
) -> Port:
    host = node.kernel.host
    held = [_function(node, vf, unknown) for vf in functions]
    least = max((node.settings.least_mtu, *(one.least_mtu for one in held)))
    port = Port(pf, held, host.find(pf.netdev) if pf.netdev else None, least)
    if port.link is None:
        return port
    index = port.link.index
    port = replace(port, master=links.get(port.link.master))
    with unknown:
        port = replace(port, driver=host.driver(index), pause=host.pause(index))
    with unknown:
        port = replace(port, bridging=host.bridging(index))
    with unknown:
        ports = node.sysfs.rdma_ports(pf.rdma_device) if pf.rdma_device else ()
        return replace(port, rdma_ports=ports, rp_filter=_filter(host, pf.netdev))
    return port


def _function(node: Node, vf: VirtualFunction, unknown: Unknown) -> Function:
    own = [r for r in node.records if r.device.pci_address == vf.address]
    boot_id = node.kernel.boot_id()
    own = [record for record in own if record.boot_id == boot_id]
    state = state_of(vf, own)
    record = next((r for r in own if not r.released or r.unrestored), None)
    if record is None:
        return Function(vf, state)
    function = Function(vf, state, record.holder, record.rail, record.netns_path)
    if not record.stands:
        return function
    function = replace(function, least_mtu=mtu_of(record))
    with unknown:
        return replace(function, pod=_seen(node.kernel, record))
    return function


def _seen(kernel: Kernel, record: Record) -> Seen | None:
    """Return a rail in its pod; None where that is not the pod that it was given to."""
    try:
        with kernel.open(record.netns_path) as pod:
            same = pod.identity == record.netns
            link = pod.link(record.pod_index) if same and record.pod_index else None
            return Seen(link, _filter(pod, link.name)) if link else None
    except NetnsGoneError:
        return None


def _bonds(host: Namespace, ports: Sequence[Port]) -> dict[str, Bond]:
    masters = {port.master.name: port.master for port in ports if port.master}
    found = {name: host.bond(master.index) for name, master in masters.items()}
    return {name: bond for name, bond in found.items() if bond}


def _filter(namespace: Namespace, name: str) -> str:
    """Return the value that counts: the kernel takes the greater of a device's and `all`."""
    own = namespace.sysctl(f"ipv4/conf/{name}/rp_filter") or "0"
    return max(own, namespace.sysctl("ipv4/conf/all/rp_filter") or "0")


def _kubelet(folder: Path) -> Kubelet | None:
    """Return what kubelet has written down, None where there is no kubelet.

    Raises:
        OSError: its file cannot be read, or is none of kubelet's.
    """
    if not folder.is_dir():
        return None
    file = folder / _CHECKPOINT
    try:
        return kubelet(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Kubelet()
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise OSError(f"{file} cannot be read: {error}") from None
