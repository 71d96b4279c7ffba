"""What a test makes of the fake's adapters from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod

from cni.kernel.adapters import Bond, Bridging, Driver, Pause, Radio
from cni.kernel.fake.model import HOST, Device, Machine
from cni.kernel.functions import PciDevice
from cni.kernel.types import Link


class Adapting(ABC):
    """The adapters of a fake kernel, and what they are like."""

    machine: Machine

    @abstractmethod
    def _device(self, name: str, path: str) -> Device:
        """Return a device of the namespace at a path."""

    @abstractmethod
    def _add(self, device: Device, path: str, index: int = 0) -> Link:
        """Let a device appear in a namespace."""

    @abstractmethod
    def _new_mac(self) -> str:
        """Return a MAC that no device has."""

    def add_bond(self, name: str, bond: Bond, *, path: str = HOST) -> Link:
        """`ip link add NAME type bond mode MODE`."""
        return self._add(Device(name, self._new_mac(), kind="bond", bond=bond), path)

    def make_wireless(self, name: str, radio: Radio | None = None) -> None:
        """Let a device of the host be a radio, of which nothing more is known by default."""
        self._device(name, HOST).radio = radio or Radio()

    def offload_checksums(self, name: str, *, on: bool | None, path: str = HOST) -> None:
        """`ethtool -K NAME tx-checksum-ip-generic on|off`; None lets it have no such switch."""
        self._device(name, path).offloads = on

    def set_driver(self, name: str, driver: Driver) -> None:
        """Let a device of the host say this of its driver."""
        self._device(name, HOST).driver = driver

    def set_pause(self, name: str, pause: Pause) -> None:
        """`ethtool -A NAME autoneg A rx R tx T`."""
        self._device(name, HOST).pause = pause

    def set_bridging(self, name: str, bridging: Bridging) -> None:
        """`dcb pfc set dev NAME …; dcb ets set …; dcb app replace …`."""
        self._device(name, HOST).bridging = bridging

    def add_pci_device(self, device: PciDevice) -> None:
        """Plug in something that is no network adapter: a GPU, say."""
        self.machine.pci_devices.append(device)

    def isolate(self, address: str, group: str, domain: str = "DMA") -> None:
        """Let an IOMMU keep a function apart, in a group."""
        self.machine.iommu_groups[address] = group, domain
