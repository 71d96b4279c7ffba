"""SR-IOV: physical functions, their virtual functions, and what a PF imposes on a VF.

Plain frozen values, as in `types`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

PCI_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")

NO_MAC = "00:00:00:00:00:00"
"""What a PF states while it prescribes a VF no address."""

USERSPACE_DRIVERS = frozenset({"vfio-pci", "uio_pci_generic", "igb_uio"})
"""Drivers that hand a function to a program: the function has no netdev then."""

VlanProto: TypeAlias = Literal["802.1q", "802.1ad"]
LinkState: TypeAlias = Literal["auto", "enable", "disable"]


@dataclass(frozen=True, slots=True)
class PciDevice:
    """A device on the PCI bus, of whatever kind (`lspci -Dn`)."""

    address: str
    vendor: str
    """Four hexadecimal digits; so is the next one."""
    device: str
    kind: str
    """Class and subclass, four hexadecimal digits: `0200` is Ethernet."""
    numa_node: int | None
    """None where the platform does not say."""
    iommu_group: str = ""
    """Empty where no IOMMU is at work."""
    iommu_domain: str = ""
    """`identity` where DMA goes straight, `DMA` or `DMA-FQ` where it is translated."""


@dataclass(frozen=True, slots=True)
class PhysicalFunction:
    """An SR-IOV physical function (PF)."""

    address: str
    """Its PCI address."""
    netdev: str
    """Its netdev on the host; empty for none."""
    driver: str
    numa_node: int | None
    """None where the platform does not say."""
    rdma_device: str
    total_vfs: int
    """How many VFs it could have."""


@dataclass(frozen=True, slots=True)
class VirtualFunction:
    """An SR-IOV virtual function (VF) and the physical function it belongs to."""

    address: str
    """Its own PCI address."""
    index: int
    """Its number among its PF's VFs."""
    pf_address: str
    pf_netdev: str
    """The netdev of the PF; empty when it has none on the host."""
    netdev: str
    """Its own netdev on the host; empty while it is elsewhere or has no network driver."""
    driver: str
    """Empty when no driver is bound."""
    numa_node: int | None
    """None where the platform does not say."""
    rdma_device: str
    """Its RDMA device on the host; empty for none."""

    @property
    def is_userspace(self) -> bool:
        """Whether a program drives it, so that no kernel interface belongs to it."""
        return self.driver in USERSPACE_DRIVERS


@dataclass(frozen=True, slots=True)
class VfVlan:
    """The VLAN that a PF puts a VF into; id 0 for none."""

    id: int
    qos: int = 0
    proto: VlanProto = "802.1q"


@dataclass(frozen=True, slots=True)
class VfRate:
    """The transmit rates that a PF grants a VF, in Mbit/s; 0 for no limit."""

    min: int = 0
    max: int = 0


@dataclass(frozen=True, slots=True)
class VfSettings:
    """What a PF imposes on one VF (`ip link show dev PF`), or is to impose; None: not stated."""

    mac: str | None = None
    """The address that the PF prescribes or, on some drivers, knows to be the VF's own."""
    vlan: VfVlan | None = None
    spoofchk: bool | None = None
    trust: bool | None = None
    link_state: LinkState | None = None
    rate: VfRate | None = None

    def each(self) -> Iterator[VfSettings]:
        """Yield the stated properties one by one, in the order of the fields."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None:
                yield replace(VfSettings(), **{field.name: value})


@dataclass(frozen=True, slots=True)
class RdmaDevice:
    """One RDMA device of a network namespace (`rdma dev show`)."""

    index: int
    name: str
    node_guid: str
    """As `rdma dev show` writes it: `5054:00ff:feaa:0001`; it survives a renaming."""


@dataclass(frozen=True, slots=True)
class RdmaPort:
    """One port of an RDMA device (`rdma link show`)."""

    device: str
    number: int
    """From 1 on."""
    state: str
    """`ACTIVE`, or what keeps it from sending: `DOWN`, `INIT`, `ARMED`."""

    @property
    def is_active(self) -> bool:
        """Whether it can send."""
        return self.state == "ACTIVE"
