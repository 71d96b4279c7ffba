"""`railctl attachments`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cni.host.paths import Paths
from cni.rail.attachment import Attachments, Record
from install.railctl.output import Output, age, write

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def attachments(
    output: Annotated[Output, typer.Option(help="How to write it.")] = Output.TEXT,
) -> None:
    """Show which pod has which device, and what waits to be finished."""
    records = Attachments(Paths.of(os.environ).attachments).all()
    write(
        "attachments of rail-sriov", list(_rows(records)), output,
        empty="rail-sriov holds no device on this node",
    )  # fmt: skip


def _rows(records: list[Record]) -> Iterator[dict[str, str]]:
    boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    for record in records:
        same_boot = record.boot_id == boot_id
        yield {
            "device": record.device.pci_address or record.device.host_name,
            "rail": record.rail,
            "pod": str(record.pod),
            "container": record.attachment.container_id,
            "interface": record.attachment.ifname,
            "addresses": " ".join(map(str, record.addresses)),
            "age": age((now - record.started) / 1e9) if same_boot else "",
            "state": _state(record, same_boot=same_boot),
        }


def _state(record: Record, *, same_boot: bool) -> str:
    if not same_boot:
        return "of an earlier boot"
    if record.unrestored:
        return "not yet as it was"
    return "attached" if record.attached else "unfinished"
