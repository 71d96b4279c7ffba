"""Facts about links, addresses, routes and rules, as the kernel states them.

Plain frozen values: no library's type crosses the kernel layer's edge.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import Self, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Interface: TypeAlias = IPv4Interface | IPv6Interface
Network: TypeAlias = IPv4Network | IPv6Network

MAIN_TABLE = 254
LOCAL_TABLE = 255


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface of one network namespace (`ip -d link show`)."""

    index: int
    name: str
    mac: str
    """Lower case, colon separated; empty where the link has no hardware address."""
    mtu: int
    """Bytes."""
    up: bool
    """Administratively up (IFF_UP)."""
    carrier: bool
    """Up and able to send (IFF_LOWER_UP)."""
    kind: str = ""
    """`veth`, `bridge`, `vlan`, …; empty for hardware."""
    permanent_mac: str = ""
    parent: str = ""
    """The bus address of the device behind it (`0000:3b:02.1`), where the kernel tells it."""
    lower: int = 0
    """Index of the link below it, or of a veth's peer (IFLA_LINK); 0 for none."""
    lower_netnsid: int | None = None
    """Set when `lower` is an index in another namespace."""
    master: int = 0
    """Index of the bridge, bond or VRF that it is a port of; 0 for none."""
    altnames: tuple[str, ...] = ()
    min_mtu: int = 0
    max_mtu: int = 0
    """Bytes; 0 when the driver states no limit."""
    loopback: bool = False
    local: Address | None = None
    """Of a vxlan, this node's address in the outer header, where it is bound to one."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route (`ip route show table all`)."""

    dst: Network
    index: int
    """Of the output link."""
    gateway: Address | None = None
    table: int = MAIN_TABLE
    priority: int = 0
    """The metric; the kernel makes IPv6's 0 a 1024."""
    source: Address | None = None
    mtu: int = 0
    """Bytes; 0 for the link's own."""
    advmss: int = 0
    scope: int = 0
    protocol: int = 4
    """Who made it: 2 the kernel, 3 boot, 4 static, 9 a router advertisement."""
    kind: int = 1
    """RTN_*: 1 unicast, 2 local, 3 broadcast, 4 anycast, 5 multicast."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy rule `from SOURCE to DESTINATION … lookup TABLE` (`ip rule`)."""

    source: Network
    table: int
    priority: int
    to: Network | None = None
    """None for anywhere."""
    protocol: int = 0
    """Who made it, as for a route; 0 when nobody said."""
    mark: int = 0
    """What a packet's mark has to be, as far as the mask goes (`fwmark MARK/MASK`)."""
    mask: int = 0
    """0 when the mark does not matter."""
    ip_protocol: int = 0
    """IPPROTO_*, 0 for any (`ipproto`, Linux 4.17)."""
    port: int = 0
    """The one that a packet is for, 0 for any; with TCP or UDP (`dport`, Linux 4.17)."""
    source_port: int = 0
    """The one that it is from (`sport`), likewise."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Who has an address on a link (`ip neighbour`)."""

    address: Address
    mac: str
    permanent: bool
    """Set by a program, and never asked for."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """To which node a tunnel sends the frames for a MAC (`bridge fdb`)."""

    mac: str
    destination: Address


@dataclass(frozen=True, slots=True)
class NetnsId:
    """A network namespace, recognised.

    The inode number is used again once a namespace is gone; the cookie never is, within one boot.
    """

    device: int
    inode: int
    cookie: int
    """SO_NETNS_COOKIE; 0 on kernels before 5.14."""


ERROR_COUNTERS = (
    "rx_errors",
    "tx_errors",
    "rx_dropped",
    "tx_dropped",
    "rx_missed_errors",
    "rx_crc_errors",
)
"""What tells of a bad cable, a bad port or too small a queue, by the kernel's names."""


class KernelError(OSError):
    """The kernel refused a verb.

    Args:
        verb: the iproute2 command that says the same, for the person who reads it.
        number: the errno.
        reason: what the kernel said.
    """

    def __init__(self, verb: str, number: int, reason: str) -> None:
        super().__init__(number, f"{verb}: {reason}")
        self.verb = verb

    @classmethod
    def of(cls, verb: str, error: OSError) -> Self:
        """Return the error that says which verb the system refused."""
        return cls(verb, error.errno or errno.EIO, error.strerror or str(error))


class NetnsGoneError(KernelError):
    """The path is empty, absent, or no network namespace."""


@contextmanager
def kernel_errors(verb: str) -> Iterator[None]:
    """Let every OSError come out as a KernelError of this verb."""
    try:
        yield
    except KernelError:
        raise
    except OSError as error:
        raise KernelError.of(verb, error) from error
