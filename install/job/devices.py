"""Which RDMA device belongs to a rail: sysfs knows it, else the device-info files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cni.kernel.sysfs import LinuxSysfs
from install.job.errors import JobError
from install.job.forms import DEVICE_INFO, SYSFS
from install.job.status import Attached, on_pci

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Places:
    """Where devices are described."""

    sysfs: Path = SYSFS
    device_info: Path = DEVICE_INFO


def with_devices(rails: Sequence[Attached], places: Places) -> tuple[Attached, ...]:
    """Return rails with PCI address and RDMA device, as far as they have any.

    What sysfs has is so now; what was written down may have been renamed since.

    Raises:
        JobError: a device's name is none.
    """
    written = dict(_written(places.device_info))
    sysfs = LinuxSysfs(places.sysfs)
    found = []
    for rail in rails:
        address = rail.pci_address or sysfs.address_of(rail.ifname)
        name = _in_sysfs(places.sysfs, address) or rail.rdma_device or written.get(address, "")
        if name and not _NAME.fullmatch(name):
            raise JobError(f"the RDMA device of {rail.ifname} is called {name!r}, which is no name")
        found.append(replace(rail, pci_address=address, rdma_device=name))
    return tuple(found)


def _in_sysfs(root: Path, address: str) -> str:
    folder = root / "bus/pci/devices" / address / "infiniband"
    try:
        return min((entry.name for entry in folder.iterdir()), default="") if address else ""
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _written(folder: Path) -> Iterator[tuple[str, str]]:
    """Return PCI addresses and their RDMA devices, from whatever files can be read."""
    for file in sorted(folder.glob("*/*")):
        try:
            document = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue  # others write there; what is no device-info says nothing
        if isinstance(document, dict):
            address, name = on_pci(document.get("pci"))
            if address:
                yield address, name
