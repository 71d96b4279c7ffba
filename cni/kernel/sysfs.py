"""Facts about PCI devices that only sysfs tells.

Sources: sysfs-bus-pci, sysfs-class-net, sysfs-class-net-statistics and sysfs-class-infiniband in
Documentation/ABI of the Linux kernel.  Any entry may vanish between two looks, since VFs come and
go: what is not there, or not there any more, is absent, and never an error.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from cni.kernel.functions import (
    PCI_ADDRESS,
    PciDevice,
    PhysicalFunction,
    RdmaPort,
    VirtualFunction,
)
from cni.kernel.types import ERROR_COUNTERS

_VIRTFN = re.compile(r"virtfn(\d+)")
# What reading gives when the device goes, or when the driver does not know that attribute.
_ABSENT = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.EINVAL, errno.EOPNOTSUPP}
)

_LOWER = "lower_"

T = TypeVar("T")


class LinuxSysfs:
    """Reads sysfs below an injectable root; keeps the `Sysfs` protocol."""

    def __init__(self, root: Path = Path("/sys")) -> None:
        self._devices = root / "bus/pci/devices"
        self._netdevs = root / "class/net"
        self._rdma_devices = root / "class/infiniband"

    def device_exists(self, address: str) -> bool:
        """Return whether a PCI device with this address is there."""
        return (self._devices / address).exists()

    def pci_devices(self) -> Sequence[PciDevice]:
        """Return all that is on the PCI bus, by address."""
        return [self._pci_device(address) for address in _entries(self._devices)]

    def virtual_function(self, address: str) -> VirtualFunction | None:
        """Return the VF at a PCI address, None when there is no device or it is no VF."""
        pf_address = _target(self._devices / address / "physfn")
        for number, other in self._virtual_functions(pf_address) if pf_address else ():
            if other == address:
                return self._virtual_function(address, number, pf_address)
        return None

    def physical_functions(self) -> Sequence[PhysicalFunction]:
        """Return every device that can have VFs, by PCI address."""
        return [
            self._physical_function(address, total)
            for address in _entries(self._devices)
            if (total := _number(self._devices / address / "sriov_totalvfs")) > 0
        ]

    def virtual_functions(self, pf_address: str) -> Sequence[VirtualFunction]:
        """Return the VFs of a PF, by number."""
        return [
            self._virtual_function(address, number, pf_address)
            for number, address in self._virtual_functions(pf_address)
        ]

    def address_of(self, netdev: str) -> str:
        """Return the PCI address behind a netdev of the host, empty when it has none."""
        address = _target(self._netdevs / netdev / "device")
        return address if PCI_ADDRESS.fullmatch(address) else ""

    def is_physical_function(self, netdev: str) -> bool:
        """Return whether a netdev of the host belongs to a device that can have VFs."""
        return _number(self._netdevs / netdev / "device/sriov_totalvfs") > 0

    def link_speed(self, netdev: str) -> int | None:
        """Return the speed of a netdev of the host in Mbit/s, None while it does not know."""
        speed = _number(self._netdevs / netdev / "speed")
        return speed if speed > 0 else None

    def error_counters(self, netdev: str) -> Mapping[str, int]:
        """Return how many errors a netdev of the host has met, empty for none."""
        statistics = self._netdevs / netdev / "statistics"
        counters = {name: _number(statistics / name) for name in ERROR_COUNTERS}
        return {name: value for name, value in counters.items() if value >= 0}

    def is_wireless(self, netdev: str) -> bool:
        """Return whether a netdev of the host is itself a wireless one."""
        folder = self._netdevs / netdev
        if (folder / "phy80211").exists() or (folder / "wireless").exists():
            return True
        return "DEVTYPE=wlan" in _read(folder / "uevent").splitlines()

    def lower_devices(self, netdev: str) -> Sequence[str]:
        """Return the netdevs that a bridge, a bond or a VLAN of the host is made of."""
        entries = _entries(self._netdevs / netdev)
        return [name.removeprefix(_LOWER) for name in entries if name.startswith(_LOWER)]

    def rdma_ports(self, device: str) -> Sequence[RdmaPort]:
        """Return the ports of an RDMA device that the host sees, by number."""
        ports = self._rdma_devices / device / "ports"
        numbers = sorted(int(entry) for entry in _entries(ports) if entry.isdecimal())
        # `4: ACTIVE`
        states = {n: _read(ports / str(n) / "state").rpartition(" ")[2] for n in numbers}
        return [RdmaPort(device, number, state) for number, state in states.items() if state]

    def _pci_device(self, address: str) -> PciDevice:
        folder = self._devices / address

        def number(name: str) -> str:
            return _read(folder / name).removeprefix("0x")

        return PciDevice(
            address=address,
            vendor=number("vendor"),
            device=number("device"),
            kind=number("class")[:4],
            numa_node=self._numa_node(address),
            iommu_group=_target(folder / "iommu_group"),
            iommu_domain=_read(folder / "iommu_group/type"),
        )

    def _physical_function(self, address: str, total_vfs: int) -> PhysicalFunction:
        netdev = self._uplink(address)
        return PhysicalFunction(
            address=address,
            netdev=netdev,
            driver=self._driver(address),
            numa_node=self._numa_node(address),
            rdma_device=self._rdma_device(address, netdev),
            total_vfs=total_vfs,
        )

    def _virtual_functions(self, pf_address: str) -> list[tuple[int, str]]:
        """Return number and address of each VF of a PF, by number."""
        pf = self._devices / pf_address
        return sorted(
            (int(found[1]), address)
            for entry in _entries(pf)
            if (found := _VIRTFN.fullmatch(entry)) and (address := _target(pf / entry))
        )

    def _virtual_function(self, address: str, number: int, pf_address: str) -> VirtualFunction:
        netdev = next(iter(_entries(self._devices / address / "net")), "")
        return VirtualFunction(
            address=address,
            index=number,
            pf_address=pf_address,
            pf_netdev=self._uplink(pf_address),
            netdev=netdev,
            driver=self._driver(address),
            numa_node=self._numa_node(address),
            rdma_device=self._rdma_device(address, netdev),
        )

    def _uplink(self, pf_address: str) -> str:
        """Return the PF's own netdev: in switchdev mode its VFs' representors stand beside it."""
        net = self._devices / pf_address / "net"

        def is_representor(netdev: str) -> bool:
            # `p0` is a port, `pf0vf3` a VF's representor, `pf0sf7` a subfunction's.
            port = _read(net / netdev / "phys_port_name")
            return "vf" in port or "sf" in port

        netdevs = _entries(net)
        if len(netdevs) > 1:
            netdevs.sort(key=is_representor)
        return next(iter(netdevs), "")

    def _driver(self, address: str) -> str:
        return _target(self._devices / address / "driver")

    def _numa_node(self, address: str) -> int | None:
        node = _number(self._devices / address / "numa_node")
        return node if node >= 0 else None

    def _rdma_device(self, address: str, netdev: str) -> str:
        """Return the RDMA device of a function, or the soft RoCE device on its netdev."""
        if own := _entries(self._devices / address / "infiniband"):
            return own[0]
        for name in _entries(self._rdma_devices) if netdev else ():
            if _read(self._rdma_devices / name / "parent") == netdev:
                return name
        return ""


def _entries(folder: Path) -> list[str]:
    """Return the sorted names in a folder."""
    return _if_present(lambda: sorted(entry.name for entry in folder.iterdir()), [])


def _read(file: Path) -> str:
    # A netdev's name is any bytes.
    return _if_present(lambda: os.fsdecode(file.read_bytes()).strip(), "")


def _number(file: Path) -> int:
    """Return the number in a file, -1 where there is none."""
    try:
        return int(_read(file))
    except ValueError:
        return -1


def _target(link: Path) -> str:
    """Return the last part of what a symbolic link leads to, empty when there is none."""
    return _if_present(lambda: link.readlink().name, "")


def _if_present(look: Callable[[], T], otherwise: T) -> T:
    try:
        return look()
    except OSError as error:
        if error.errno not in _ABSENT:
            raise
        return otherwise
