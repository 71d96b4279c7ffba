"""The state of the fake: devices and network namespaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cni.kernel.adapters import Bond, Bridging, Driver, Pause, Radio
from cni.kernel.fake import releases, sysctls
from cni.kernel.fake.expiring import SECOND, GuardTable, MarkingTable
from cni.kernel.fake.releases import Release
from cni.kernel.functions import PciDevice
from cni.kernel.types import (
    Address,
    Forwarding,
    Interface,
    Link,
    Neighbour,
    NetnsId,
    Route,
    Rule,
)
from cni.kernel.watching import News

if TYPE_CHECKING:
    from cni.kernel.fake.datagram_verbs import FakeDatagrams
    from cni.kernel.fake.functions import Pf, RdmaUnit, Vf
    from cni.kernel.fake.watching_verbs import FakeWatch

HOST = "/proc/self/ns/net"

_DEVICE_OF_NSFS = 4


@dataclass(eq=False, slots=True)
class Device:
    """A network device."""

    name: str
    mac: str
    kind: str = ""
    mtu: int = 1500
    min_mtu: int = 68
    max_mtu: int = 65535
    permanent_mac: str = ""
    parent: str = ""
    loopback: bool = False
    local: Address | None = None
    """Of a tunnel, its end here."""
    index: int = 0
    up: bool = False
    plugged: bool = True
    """Whether there is a cable with something at its end."""
    carrier_delay: int = 0
    """Nanoseconds from `up` to carrier."""
    carrier_at: int = 0
    """When the carrier comes, as long as it is up and plugged."""
    settled: bool = False
    """Whether IPv6 has seen its carrier since it came up."""
    altnames: list[str] = field(default_factory=list)
    addresses: list[Interface] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    peer: Device | None = None
    master: Device | None = None
    netns: Netns | None = None
    errors: dict[str, int] = field(default_factory=dict)
    """What it has counted; 0 of what is not here."""
    neighbours: list[Neighbour] = field(default_factory=list)
    forwarding: list[Forwarding] = field(default_factory=list)
    radio: Radio | None = None
    offloads: bool | None = True
    """Whether it leaves IP checksums to its hardware; None for what has no such switch."""
    driver: Driver | None = None
    """What `ethtool -i` says; None for what goes without saying."""
    pause: Pause | None = None
    bridging: Bridging | None = None
    bond: Bond | None = None
    pf: Pf | None = None
    """The physical function behind it."""
    vf: Vf | None = None
    """The virtual function behind it."""

    @property
    def is_physical(self) -> bool:
        """Whether it outlives its namespace."""
        return not self.kind and not self.loopback

    def ipv6_enabled(self) -> bool:
        """Whether IPv6 runs on it."""
        return self.sysctls.get("ipv6/conf/disable_ipv6") == "0"

    def names(self) -> set[str]:
        """Return every name that it answers to."""
        return {self.name, *self.altnames}

    def tell_of_carrier(self) -> None:
        """Tell who watches it, or one whose carrier depends on it, that it may have changed."""
        vfs = [vf.device for vf in self.pf.vfs] if self.pf else []
        for device in (self, self.peer, *vfs):
            if device and device.netns:
                device.netns.tell(News.LINK)

    def has_carrier(self, now: int) -> bool:
        """Return whether it can send at this time, in nanoseconds."""
        connected = self.plugged and (self.peer is None or self.peer.up)
        granted = self.vf is None or self.vf.has_link(now)
        return self.up and connected and granted and now >= self.carrier_at


@dataclass(frozen=True, slots=True)
class Departed:
    """A datagram that was sent to somebody else."""

    data: bytes
    source: Address
    target: Address
    port: int
    """Of the target."""
    source_port: int


@dataclass(eq=False, slots=True)
class Netns:
    """A network namespace."""

    inode: int
    cookie: int
    sysctls: dict[str, str]
    linux: Release
    paths: list[str] = field(default_factory=list)
    opened: int = 0
    """How many callers have it open."""
    devices: dict[int, Device] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    dropping: list[str] = field(default_factory=list)
    """nftables' chains that drop what is forwarded."""
    watches: list[FakeWatch] = field(default_factory=list)
    """Who is told what changes."""
    sockets: dict[tuple[Address, int], FakeDatagrams] = field(default_factory=dict)
    """What is open for UDP."""
    departed: list[Departed] = field(default_factory=list)
    """What was sent to others and has not been carried away."""
    markings: dict[str, MarkingTable] = field(default_factory=dict)
    guards: dict[str, GuardTable] = field(default_factory=dict)
    neighbours: list[Netns] = field(default_factory=list)
    """The other namespaces that links here lead to; the position is the nsid."""
    last_index: int = 0

    @property
    def identity(self) -> NetnsId:
        """What stat(2) and SO_NETNS_COOKIE would say."""
        cookie = self.cookie if self.linux >= releases.NETNS_COOKIE else 0
        return NetnsId(_DEVICE_OF_NSFS, self.inode, cookie)

    def find(self, name: str) -> Device | None:
        """Return the device that has this name or altname."""
        return next((device for device in self.devices.values() if name in device.names()), None)

    def names(self) -> set[str]:
        """Return every name and altname in use."""
        return set().union(*(device.names() for device in self.devices.values()))

    def tell(self, *news: News) -> None:
        """Tell who watches that something has changed."""
        for watch in self.watches:
            watch.tell(*news)

    def adopt(self, device: Device, index: int = 0) -> None:
        """Let a device appear here: down, without addresses, with the default settings.

        Args:
            device: one that is nowhere.
            index: the wanted one; another when it is taken, or 0.
        """
        device.netns = self
        device.index = index if index and index not in self.devices else self._next_index()
        device.up = False
        device.master = None
        device.addresses.clear()
        device.neighbours.clear()
        device.sysctls = sysctls.inherit(self.sysctls)
        self.devices[device.index] = device
        self.tell(News.LINK)

    def release(self, device: Device) -> None:
        """Let a device disappear from here, with its routes and ports."""
        del self.devices[device.index]
        self.tell(News.LINK, *([News.ADDRESS] if device.addresses else []))
        self.routes = [route for route in self.routes if route.index != device.index]
        for port in self.devices.values():
            if port.master is device:
                port.master = None

    def link(self, device: Device, now: int) -> Link:
        """Describe a device of this namespace as rtnetlink would."""
        lower, nsid = self._lower(device)
        tells_limits = self.linux >= releases.MTU_LIMITS
        return Link(
            index=device.index,
            name=device.name,
            mac=device.mac,
            mtu=device.mtu,
            up=device.up,
            carrier=device.has_carrier(now),
            kind=device.kind,
            permanent_mac=device.permanent_mac if self.linux >= releases.PERMANENT_MAC else "",
            parent=device.parent if self.linux >= releases.PARENT else "",
            lower=lower,
            lower_netnsid=nsid,
            master=device.master.index if device.master else 0,
            altnames=tuple(device.altnames),
            min_mtu=device.min_mtu if tells_limits else 0,
            max_mtu=device.max_mtu if tells_limits else 0,
            loopback=device.loopback,
            local=device.local,
        )

    def _next_index(self) -> int:
        self.last_index += 1
        while self.last_index in self.devices:
            self.last_index += 1
        return self.last_index

    def _lower(self, device: Device) -> tuple[int, int | None]:
        """Return a veth's peer: its index, and its namespace where that is another."""
        if device.peer is None or device.peer.netns is None:
            return 0, None
        if device.peer.netns is self:
            return device.peer.index, None
        if device.peer.netns not in self.neighbours:
            self.neighbours.append(device.peer.netns)
        return device.peer.index, self.neighbours.index(device.peer.netns)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A gratuitous ARP request or an unsolicited neighbour advertisement that was sent."""

    netns: NetnsId
    device: str
    mac: str
    address: Interface


@dataclass(eq=False, slots=True)
class Machine:
    """What the namespaces of one fake kernel share."""

    ipv6: bool
    linux: Release
    before_change: Callable[[str], None]
    """Called with the verb before anything changes; may raise, as a crash would."""
    now: int = 1000 * SECOND
    """Nanoseconds since boot."""
    announcements: list[Announcement] = field(default_factory=list)
    pfs: list[Pf] = field(default_factory=list)
    rdma_devices: list[RdmaUnit] = field(default_factory=list)
    rdma_is_exclusive: bool = False
    nftables: bool = True
    """Whether the kernel has them."""
    pci_devices: list[PciDevice] = field(default_factory=list)
    """What is on the bus beside the functions."""
    iommu_groups: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of functions, by address, their group and its kind of domain; others are in none."""
