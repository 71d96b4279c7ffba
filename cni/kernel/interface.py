"""The kernel as the plugins see it: verbs named after iproute2, on one network namespace at a time.

Every verb raises `KernelError` when the kernel refuses.  A refused verb may have been half applied
(see `Namespace.move`): who must know asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from cni.kernel.adapters import Adapters
from cni.kernel.datagrams import Speaking
from cni.kernel.functions import (
    PciDevice,
    PhysicalFunction,
    RdmaDevice,
    RdmaPort,
    VfSettings,
    VirtualFunction,
)
from cni.kernel.guarding import Guarding
from cni.kernel.marking import Marks
from cni.kernel.neighbourhood import Neighbourhood
from cni.kernel.routing import Routing
from cni.kernel.types import Interface, Link, NetnsId
from cni.kernel.watching import Watching


class Namespace(Neighbourhood, Routing, Marks, Guarding, Speaking, Watching, Adapters, Protocol):
    """One network namespace, open."""

    @property
    def identity(self) -> NetnsId:
        """Which namespace it is."""
        ...

    @property
    def path(self) -> str:
        """The path that it was opened by; `/proc/self/ns/net` for the host's."""
        ...

    def links(self) -> Sequence[Link]:
        """Return every link (`ip -d link show`)."""
        ...

    def link(self, index: int) -> Link | None:
        """Return one link by index, None when there is none."""
        ...

    def find(self, name: str) -> Link | None:
        """Return the link that has this name or altname, None when there is none."""
        ...

    def set_up(self, index: int) -> None:
        """`ip link set dev X up`."""
        ...

    def set_down(self, index: int) -> None:
        """`ip link set dev X down`; the kernel drops its routes, and its IPv6 addresses."""
        ...

    def set_mtu(self, index: int, mtu: int) -> None:
        """`ip link set dev X mtu N` (bytes)."""
        ...

    def set_mac(self, index: int, mac: str) -> None:
        """`ip link set dev X address MAC`."""
        ...

    def rename(self, index: int, name: str) -> None:
        """`ip link set dev X name Y`.

        EEXIST when a link has that altname, itself included, or another has that name; EBUSY when
        the link is up, before Linux 6.2.
        """
        ...

    def add_altname(self, index: int, name: str) -> None:
        """`ip link property add dev X altname Y`."""
        ...

    def remove_altname(self, index: int, name: str) -> None:
        """`ip link property del dev X altname Y`."""
        ...

    def move(self, index: int, target: Namespace, name: str) -> None:
        """`ip link set dev X netns T name Y`, in one message.

        Not atomic: on an error the link may already be in the target, under its old name or the
        new one.  Its index may change on the way; its addresses and routes are lost; it is down.
        """
        ...

    def vf(self, index: int, number: int) -> VfSettings | None:
        """Return what a PF imposes on one of its VFs (`ip link show dev PF`), None for no such VF.

        Args:
            index: of the PF's link.
            number: of the VF among the PF's.
        """
        ...

    def set_vf(self, index: int, number: int, settings: VfSettings) -> None:
        """`ip link set dev PF vf N …`: impose what is stated, one request per property.

        Raises:
            KernelError: EOPNOTSUPP, EINVAL, EPROTONOSUPPORT, ERANGE, … for what the driver cannot
                do; the properties before the refused one are in force.
        """
        ...

    def rdma_devices(self) -> Sequence[RdmaDevice]:
        """Return the RDMA devices that are seen here (`rdma dev show`), none without RDMA."""
        ...

    def move_rdma(self, index: int, target: Namespace) -> None:
        """`rdma dev set D netns T`; the node must be in exclusive mode (EOPNOTSUPP otherwise)."""
        ...

    def rename_rdma(self, index: int, name: str) -> None:
        """`rdma dev set D name N`."""
        ...

    def addresses(self, index: int) -> Sequence[Interface]:
        """Return a link's addresses (`ip address show dev X`), link-local ones included."""
        ...

    def add_address(self, index: int, address: Interface) -> None:
        """`ip address add A dev X nodad`, and the broadcast address where the subnet has one."""
        ...

    def sysctl(self, key: str) -> str | None:
        """Return a value below `/proc/sys/net/`, None where the kernel has no such file.

        Args:
            key: slash separated, relative to `/proc/sys/net/`: `ipv6/conf/net1/accept_ra`.
        """
        ...

    def set_sysctl(self, key: str, value: str) -> None:
        """Write a value below `/proc/sys/net/`; works where `/proc/sys` is mounted read-only.

        Raises:
            KernelError: ENOENT where the kernel has no such file, EINVAL for a bad value.
        """
        ...

    def ensure_sysctls(self, values: Mapping[str, str]) -> None:
        """Write those of some values that are there and are otherwise (`set_sysctl`)."""
        ...

    def wait_for_carrier(self, index: int, seconds: float) -> bool:
        """Wait until the link has carrier; return whether it has (a link that is gone has none)."""
        ...

    def announce(self, index: int, addresses: Iterable[Interface]) -> None:
        """Send a gratuitous ARP request or an unsolicited neighbour advertisement per address.

        Without carrier the kernel drops them, and says nothing.

        Raises:
            KernelError: ENETDOWN when the link is down, EOPNOTSUPP when it has no Ethernet address,
                EADDRNOTAVAIL for an address that no neighbour can have.
        """
        ...


class Kernel(Protocol):
    """The running kernel of one node."""

    @property
    def host(self) -> Namespace:
        """The namespace that this process was started in."""
        ...

    def open(self, path: str) -> AbstractContextManager[Namespace]:
        """Open a network namespace by path, until the context ends: so long it does not die.

        Raises:
            NetnsGoneError: the path is empty, absent, or no network namespace.
        """
        ...

    def new_namespace(self) -> AbstractContextManager[Namespace]:
        """Make a network namespace with nothing but `lo` (`unshare --net`), until the context ends.

        Other processes can open its path, while this one lives: it dies with it.
        """
        ...

    def search(
        self, wanted: Callable[[Namespace], bool]
    ) -> AbstractContextManager[Namespace | None]:
        """Open the first namespace that is wanted, among those that are mounted or have a process.

        It looks at the nsfs mounts and at every `/proc/PID/ns/net`; None is the positive evidence
        that nobody can reach such a namespace any more.

        Raises:
            KernelError: there was none, but some could not be looked at.
        """
        ...

    def rdma_is_exclusive(self) -> bool:
        """Return whether each RDMA device belongs to one namespace (`rdma system show`).

        False in the default mode, where every namespace sees all of them, and without RDMA.
        """
        ...

    def boot_id(self) -> str:
        """Return the random identity of this boot (`/proc/sys/kernel/random/boot_id`)."""
        ...

    def uptime(self) -> int:
        """Return nanoseconds since boot, suspended time included (CLOCK_BOOTTIME)."""
        ...


class Sysfs(Protocol):
    """What is known of PCI devices, beside the kernel's network interfaces."""

    def device_exists(self, address: str) -> bool:
        """Return whether a PCI device with this address is there."""
        ...

    def pci_devices(self) -> Sequence[PciDevice]:
        """Return all that is on the PCI bus, by address."""
        ...

    def virtual_function(self, address: str) -> VirtualFunction | None:
        """Return the VF at a PCI address, None when there is no device or it is no VF."""
        ...

    def physical_functions(self) -> Sequence[PhysicalFunction]:
        """Return every device that can have VFs, by PCI address."""
        ...

    def virtual_functions(self, pf_address: str) -> Sequence[VirtualFunction]:
        """Return the VFs of a PF, by number."""
        ...

    def address_of(self, netdev: str) -> str:
        """Return the PCI address behind a netdev of the host, empty when it has none."""
        ...

    def is_physical_function(self, netdev: str) -> bool:
        """Return whether a netdev of the host belongs to a device that can have VFs."""
        ...

    def link_speed(self, netdev: str) -> int | None:
        """Return the speed of a netdev of the host in Mbit/s, None while it does not know."""
        ...

    def error_counters(self, netdev: str) -> Mapping[str, int]:
        """Return how many errors a netdev of the host has met (`ERROR_COUNTERS`), empty for none.

        They begin anew with the device.
        """
        ...

    def is_wireless(self, netdev: str) -> bool:
        """Return whether a netdev of the host is itself a wireless one."""
        ...

    def lower_devices(self, netdev: str) -> Sequence[str]:
        """Return the netdevs that a bridge, a bond or a VLAN of the host is made of."""
        ...

    def rdma_ports(self, device: str) -> Sequence[RdmaPort]:
        """Return the ports of an RDMA device that the host sees, by number."""
        ...
