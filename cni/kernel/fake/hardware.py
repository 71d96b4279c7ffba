"""Adapters that are plugged into the fake, and what happens to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cni.kernel.fake import lifecycle
from cni.kernel.fake.expiring import SECOND
from cni.kernel.fake.functions import REFUSED_BY_IGB, Function, Pf, RdmaUnit, Vf
from cni.kernel.fake.model import Device, Machine, Netns
from cni.kernel.fake.namespace import FakeNamespace
from cni.kernel.functions import USERSPACE_DRIVERS
from cni.kernel.types import Link

_LOCALLY_ADMINISTERED = "02:00:00"
_MAX_MTU_OF_IGB = 9216
_NODE_GUID = "5054:00ff:fe00"


class Hardware:
    """The adapters of a fake kernel."""

    machine: Machine
    host: FakeNamespace

    def __init__(self) -> None:
        self._macs = self._rdma_devices = 0
        self._namespaces: list[Netns] = []

    def devices(self) -> Iterator[Device]:
        """Yield the network devices of all namespaces."""
        for netns in self._namespaces:
            yield from netns.devices.values()

    def add_physical(
        self,
        name: str,
        mac: str = "",
        *,
        pci: str = "",
        max_mtu: int = 9978,
        carrier_delay: float = 0,
    ) -> Link:
        """Plug in a network adapter: it outlives every namespace.

        Args:
            name: on the host.
            mac: its permanent one; a fresh one by default.
            pci: its address on the bus.
            max_mtu: bytes.
            carrier_delay: seconds from `up` to carrier.
        """
        device = self._adapter(name, mac, pci, max_mtu, carrier_delay)
        return self.host.netns.link(device, self.machine.now)

    def add_physical_function(  # noqa: PLR0913 - what an adapter can be like, by keyword
        self,
        name: str,
        *,
        pci: str,
        total_vfs: int = 8,
        driver: str = "igb",
        refuses: Iterable[str] = REFUSED_BY_IGB,
        speed: int = 1000,
        numa_node: int | None = None,
        rdma_device: str = "",
        mtu: int = 1500,
        up: bool = True,
        carrier: bool = True,
    ) -> Link:
        """Plug in an SR-IOV adapter.

        Args:
            name: of its PF on the host.
            pci: the PF's address on the bus.
            total_vfs: how many VFs it can have.
            driver: of the PF.
            refuses: what the driver cannot do, see `REFUSED_BY_IGB`.
            speed: of its port, in Mbit/s.
            numa_node: None where the platform does not say.
            rdma_device: the PF's; none by default.
            mtu: the PF's, in bytes.
            up: whether the PF is up.
            carrier: whether its port has a cable.
        """
        device = self._adapter(name, "", pci, _MAX_MTU_OF_IGB)
        device.mtu, device.plugged = mtu, carrier
        device.pf = Pf(
            pci,
            driver,
            numa_node,
            device,
            total_vfs=total_vfs,
            refuses=frozenset(refuses),
            speed=speed,
        )
        device.pf.rdma = self._rdma_unit(rdma_device)
        self.machine.pfs.append(device.pf)
        if up:
            lifecycle.bring_up(self.host.netns, device, self.machine.now)
        return self.host.netns.link(device, self.machine.now)

    def add_virtual_function(  # noqa: PLR0913 - the same
        self,
        pf: str,
        *,
        pci: str,
        name: str = "",
        mac: str = "",
        driver: str = "igbvf",
        numa_node: int | None = None,
        rdma_device: str = "",
    ) -> int:
        """Make one more VF of a PF (`sriov_numvfs`); return its number.

        Args:
            pf: the PF's name on the host, or its PCI address.
            pci: the VF's address on the bus.
            name: on the host; `PFvN` by default.
            mac: its permanent one; a fresh one by default.
            driver: of the VF; with one that serves a program, it has no netdev.
            numa_node: None where the platform does not say.
            rdma_device: none by default.
        """
        owner = self._pf(pf)
        number = len(owner.vfs)
        if number >= owner.total_vfs:
            raise ValueError(f"{pf} can have {owner.total_vfs} VFs only")
        vf = Vf(pci, driver, numa_node, pf=owner)
        self._probe(vf, name or f"{pf}v{number}", mac)
        if vf.device:
            vf.rdma = self._rdma_unit(rdma_device)
        owner.vfs.append(vf)
        return number

    def rebind(self, pci: str, driver: str, name: str = "rebound0") -> None:
        """`driver_override`, `unbind`, `bind`: a VF gets another driver, and its PF stays as it is.

        Args:
            pci: the VF's address on the bus.
            driver: the new one; empty for none.
            name: of the netdev that a network driver makes on the host.
        """
        vf = next(vf for pf in self.machine.pfs for vf in pf.vfs if vf.address == pci)
        self._unbind(vf)
        vf.driver = driver
        self._probe(vf, name)

    def remove_virtual_functions(self, pf: str) -> None:
        """`echo 0 > sriov_numvfs`: a PF's VFs vanish, wherever their devices are."""
        self._remove_vfs(self._pf(pf))

    def set_rdma_mode(self, *, exclusive: bool) -> None:
        """`rdma system set netns exclusive`, or shared."""
        self.machine.rdma_is_exclusive = exclusive

    def _probe(self, vf: Vf, name: str, mac: str = "") -> None:
        """Let a VF's driver begin; one for the network makes a netdev."""
        if vf.driver and vf.driver not in USERSPACE_DRIVERS:
            vf.device = self._adapter(name, mac, vf.address, _MAX_MTU_OF_IGB)
            vf.device.vf = vf
            vf.restart(vf.device)

    def _new_mac(self) -> str:
        self._macs += 1
        low = self._macs.to_bytes(3, "big").hex(":")
        return f"{_LOCALLY_ADMINISTERED}:{low}"

    def _adapter(
        self, name: str, mac: str, pci: str, max_mtu: int, carrier_delay: float = 0
    ) -> Device:
        mac = mac or self._new_mac()
        device = Device(name, mac, max_mtu=max_mtu, permanent_mac=mac, parent=pci)
        device.carrier_delay = int(carrier_delay * SECOND)
        self.host.netns.adopt(device)
        return device

    def _rdma_unit(self, name: str) -> RdmaUnit | None:
        if not name:
            return None
        number = self._rdma_devices
        self._rdma_devices += 1
        unit = RdmaUnit(number, name, f"{_NODE_GUID}:{number:04x}", self.host.netns)
        self.machine.rdma_devices.append(unit)
        return unit

    def _pf(self, wanted: str) -> Pf:
        for pf in self.machine.pfs:
            if wanted == pf.address or (pf.device and wanted == pf.device.name):
                return pf
        raise LookupError(f"there is no PF {wanted}")

    def _remove_vfs(self, pf: Pf) -> None:
        for vf in pf.vfs:
            self._unbind(vf)
        pf.vfs.clear()

    def _unbind(self, function: Function) -> None:
        """Let a function's driver go, and with it what the driver made."""
        function.driver = ""
        if function.rdma:
            self.machine.rdma_devices.remove(function.rdma)
            function.rdma = None
        if function.device and function.device.netns:
            function.device.netns.release(function.device)
            function.device.netns = None
        function.device = None

    def _destroy(self, device: Device) -> None:
        """Let a device go, with a veth's peer or with the VFs of a PF."""
        if device.pf:
            self._remove_vfs(device.pf)
        if function := device.pf or device.vf:
            self._unbind(function)
        for end in filter(None, (device, device.peer)):
            if end.netns is not None:
                end.netns.release(end)
                end.netns = None
