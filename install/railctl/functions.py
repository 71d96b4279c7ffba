"""`railctl vf`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cni.host.paths import Paths
from cni.rail.attachment import Attachments, Record
from install.railctl.output import Output, write

if TYPE_CHECKING:
    from cni.kernel.functions import PhysicalFunction, VirtualFunction
    from cni.kernel.interface import Kernel, Sysfs

vf = typer.Typer(no_args_is_help=True, help="Look at physical and virtual functions.")

Row = dict[str, str]


@vf.command("list")
def list_functions(
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Show the physical functions of this node, their virtual functions, and who has them."""
    from cni.kernel.linux import LinuxKernel
    from cni.kernel.sysfs import LinuxSysfs

    records = Attachments(Paths.of(os.environ).attachments).all()
    found = list(rows(LinuxKernel(), LinuxSysfs(), records))
    write(
        "functions of this node", found, output,
        empty="this node has no device that can have virtual functions",
    )  # fmt: skip


def rows(kernel: Kernel, sysfs: Sysfs, records: Sequence[Record]) -> Iterator[Row]:
    """Return a row per function, each PF before its VFs."""
    boot_id = kernel.boot_id()
    held = [record for record in records if record.boot_id == boot_id and not record.released]
    holders = {record.device.pci_address: record for record in held}
    for pf in sysfs.physical_functions():
        yield _row(pf) | {"interface": pf.netdev, "mtu": _host_mtu(kernel, pf.netdev)}
        for function in sysfs.virtual_functions(pf.address):
            row = _row(function) | {"pf": pf.netdev, "vf": str(function.index)}
            record = holders.get(function.address)
            if record is None:
                row |= {"interface": function.netdev, "mtu": _host_mtu(kernel, function.netdev)}
            else:
                row |= _held(kernel, record)
            yield row


def _row(function: PhysicalFunction | VirtualFunction) -> Row:
    numa = function.numa_node
    return {
        "pci": function.address,
        "pf": "",
        "vf": "",
        "driver": function.driver or "none",
        "numa": "" if numa is None else str(numa),
        "interface": "",
        "mtu": "",
        "rdma": function.rdma_device,
        "rail": "",
        "pod": "",
        "container": "",
    }


def _held(kernel: Kernel, record: Record) -> Row:
    return {
        "interface": record.attachment.ifname,
        "mtu": _pod_mtu(kernel, record),
        "rail": record.rail,
        "pod": str(record.pod),
        "container": record.attachment.container_id,
    }


def _host_mtu(kernel: Kernel, netdev: str) -> str:
    link = kernel.host.find(netdev) if netdev else None
    return str(link.mtu) if link else ""


def _pod_mtu(kernel: Kernel, record: Record) -> str:
    """Return the MTU in the pod, empty when that cannot be looked at."""
    from cni.kernel.types import NetnsGoneError

    try:
        with kernel.open(record.netns_path) as pod:
            same = pod.identity == record.netns
            link = pod.link(record.pod_index) if same and record.pod_index else None
    except NetnsGoneError:
        return ""
    return str(link.mtu) if link else ""
