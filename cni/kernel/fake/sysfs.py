"""sysfs of the fake's host, told from the fake's own state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from cni.kernel.fake.functions import Function, Pf, RdmaUnit, Vf
from cni.kernel.fake.kernel import FakeKernel
from cni.kernel.fake.model import Device
from cni.kernel.functions import PciDevice, PhysicalFunction, RdmaPort, VirtualFunction
from cni.kernel.types import ERROR_COUNTERS

_INTEL, _PF, _VF, _ETHERNET = "8086", "10c9", "10ca", "0200"
"""igb's adapter, the 82576."""


class FakeSysfs:
    """What is known of the fake's PCI devices; keeps the `Sysfs` protocol."""

    def __init__(self, kernel: FakeKernel) -> None:
        self._kernel = kernel

    def device_exists(self, address: str) -> bool:
        """Return whether a PCI device with this address is there."""
        return any(function.address == address for function in self._functions()) or any(
            device.parent == address for device in self._kernel.devices()
        )

    def pci_devices(self) -> Sequence[PciDevice]:
        """Return the functions, and what was put beside them, by address."""
        machine = self._kernel.machine
        functions = [
            PciDevice(
                function.address,
                _INTEL,
                _PF if isinstance(function, Pf) else _VF,
                _ETHERNET,
                function.numa_node,
                *machine.iommu_groups.get(function.address, ("", "")),
            )
            for function in self._functions()
        ]
        return sorted((*functions, *machine.pci_devices), key=lambda one: one.address)

    def virtual_function(self, address: str) -> VirtualFunction | None:
        """Return the VF at a PCI address."""
        for pf in self._pfs():
            for function in self.virtual_functions(pf.address):
                if function.address == address:
                    return function
        return None

    def physical_functions(self) -> Sequence[PhysicalFunction]:
        """Return every PF, by PCI address."""
        return [
            PhysicalFunction(
                address=pf.address,
                netdev=self._netdev(pf),
                driver=pf.driver,
                numa_node=pf.numa_node,
                rdma_device=self._rdma_device(pf),
                total_vfs=pf.total_vfs,
            )
            for pf in self._pfs()
        ]

    def virtual_functions(self, pf_address: str) -> Sequence[VirtualFunction]:
        """Return the VFs of a PF, by number."""
        return [
            self._virtual_function(pf, number, vf)
            for pf in self._pfs()
            if pf.address == pf_address
            for number, vf in enumerate(pf.vfs)
        ]

    def address_of(self, netdev: str) -> str:
        """Return the PCI address behind a netdev of the host, empty when it has none."""
        device = self._device(netdev)
        return device.parent if device else ""

    def is_physical_function(self, netdev: str) -> bool:
        """Return whether a netdev of the host belongs to a PF."""
        device = self._device(netdev)
        return device is not None and device.pf is not None

    def link_speed(self, netdev: str) -> int | None:
        """Return the speed of a port that has carrier, in Mbit/s."""
        device = self._device(netdev)
        if device is None or not device.has_carrier(self._kernel.machine.now):
            return None
        pf = device.pf or (device.vf.pf if device.vf else None)
        return pf.speed if pf else None

    def error_counters(self, netdev: str) -> Mapping[str, int]:
        """Return how many errors a netdev of the host has met, empty for none."""
        device = self._device(netdev)
        return {name: device.errors.get(name, 0) for name in ERROR_COUNTERS} if device else {}

    def is_wireless(self, netdev: str) -> bool:
        """Return whether a netdev of the host is itself a wireless one."""
        device = self._device(netdev)
        return device is not None and device.radio is not None

    def lower_devices(self, netdev: str) -> Sequence[str]:
        """Return the ports of a bridge of the host."""
        devices = self._kernel.host.netns.devices.values()
        return [d.name for d in devices if d.master is not None and d.master.name == netdev]

    def rdma_ports(self, device: str) -> Sequence[RdmaPort]:
        """Return the one port of an RDMA device, as active as the netdev of the same function."""
        for function in self._functions():
            if device and self._rdma_device(function) == device:
                netdev, now = function.device, self._kernel.machine.now
                active = netdev is not None and netdev.has_carrier(now)
                return [RdmaPort(device, 1, "ACTIVE" if active else "DOWN")]
        return []

    def _virtual_function(self, pf: Pf, number: int, vf: Vf) -> VirtualFunction:
        return VirtualFunction(
            address=vf.address,
            index=number,
            pf_address=pf.address,
            pf_netdev=self._netdev(pf),
            netdev=self._netdev(vf),
            driver=vf.driver,
            numa_node=vf.numa_node,
            rdma_device=self._rdma_device(vf),
        )

    def _pfs(self) -> list[Pf]:
        return sorted(self._kernel.machine.pfs, key=lambda pf: pf.address)

    def _functions(self) -> Iterator[Function]:
        return chain.from_iterable((pf, *pf.vfs) for pf in self._pfs())

    def _device(self, netdev: str) -> Device | None:
        """Return a device of the host by its name: sysfs knows no altnames."""
        devices = self._kernel.host.netns.devices.values()
        return next((device for device in devices if device.name == netdev), None)

    def _netdev(self, function: Function) -> str:
        return function.device.name if function.device and self._is_here(function.device) else ""

    def _rdma_device(self, function: Function) -> str:
        return function.rdma.name if function.rdma and self._is_here(function.rdma) else ""

    def _is_here(self, thing: Device | RdmaUnit) -> bool:
        return thing.netns is self._kernel.host.netns
