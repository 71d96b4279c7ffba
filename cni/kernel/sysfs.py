"""Facts about PCI devices that only sysfs tells.

Source: Documentation/ABI/testing/sysfs-bus-pci of the Linux kernel.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")


@dataclass(frozen=True, slots=True)
class VirtualFunction:
    """An SR-IOV virtual function and the physical function it belongs to."""

    address: str
    """Its own PCI address."""
    pf_address: str
    pf_name: str
    """The netdev of the PF; empty when it has none on the host."""
    pf_mtu: int
    """Bytes; 0 when the PF has no netdev."""
    netdev: str
    """Its own netdev on the host; empty while it is elsewhere or has no network driver."""
    driver: str
    """Empty when no driver is bound."""


class Sysfs:
    """Reads sysfs below an injectable root."""

    def __init__(self, root: Path = Path("/sys")) -> None:
        self._devices = root / "bus/pci/devices"
        self._netdevs = root / "class/net"

    def device_exists(self, address: str) -> bool:
        """Return whether a PCI device with this address is there."""
        return (self._devices / address).exists()

    def virtual_function(self, address: str) -> VirtualFunction | None:
        """Return the VF at a PCI address, None when there is no device or it is no VF."""
        device = self._devices / address
        physfn = device / "physfn"
        if not physfn.exists():
            return None
        pf = physfn.resolve()
        pf_name = _only_entry(pf / "net")
        mtu = _read(pf / "net" / pf_name / "mtu") if pf_name else ""
        driver = device / "driver"
        return VirtualFunction(
            address=address,
            pf_address=pf.name,
            pf_name=pf_name,
            pf_mtu=int(mtu or 0),
            netdev=_only_entry(device / "net"),
            driver=driver.resolve().name if driver.exists() else "",
        )

    def address_of(self, netdev: str) -> str:
        """Return the PCI address behind a netdev of the host, empty when it has none."""
        device = (self._netdevs / netdev / "device").resolve()
        return device.name if PCI_ADDRESS.fullmatch(device.name) else ""

    def is_physical_function(self, netdev: str) -> bool:
        """Return whether a netdev of the host belongs to a device that can have VFs."""
        return (self._netdevs / netdev / "device/sriov_totalvfs").exists()


def _only_entry(folder: Path) -> str:
    """Return the name of the first entry of a folder, empty when there is none."""
    try:
        return min((entry.name for entry in folder.iterdir()), default="")
    except FileNotFoundError:
        return ""


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
