"""Ethernet frames that tell the neighbours who has an address now, or ask them.

Sources: RFC 826 and RFC 5227 section 3 (ARP announcement), RFC 4861 sections 4.3 and 7.2.6
(neighbour solicitation, unsolicited advertisement), RFC 8200 section 8.1 (checksum).
"""

from __future__ import annotations

import errno
import socket
import struct
import threading
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from cni.kernel.types import Address

_BROADCAST = b"\xff" * 6
_ALL_NODES = IPv6Address("ff02::1")
_ALL_NODES_MAC = b"\x33\x33\x00\x00\x00\x01"

_ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
_ARP_ETHERNET = 1
_ARP_REQUEST = 1
ICMPV6 = 58
_NEIGHBOUR_SOLICITATION = 135
NEIGHBOUR_ADVERTISEMENT = 136
_SOURCE_LINK_LAYER_ADDRESS = 1
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))
_SOLICITED_BITS = 0xFF_FFFF
_OVERRIDE = 0x2000_0000
_TARGET_LINK_LAYER_ADDRESS = 2
# Receivers drop a neighbour advertisement that a router may have forwarded.
_HOP_LIMIT = 255
_MINIMUM = 60


def announcement(mac: str, address: Address) -> bytes:
    """Return the Ethernet frame that announces an address.

    Args:
        mac: of the sender, colon separated.
        address: what is announced.

    Raises:
        OSError: EADDRNOTAVAIL when no neighbour can hold this address, EOPNOTSUPP when the MAC is
            none of Ethernet's.
    """
    sender = octets(mac)
    if address.is_multicast or address.is_unspecified or address.is_loopback:
        raise OSError(errno.EADDRNOTAVAIL, f"{address} belongs to no neighbour")
    if isinstance(address, IPv4Address):
        return gratuitous_arp(sender, address)
    return unsolicited_advertisement(sender, address)


def send(device: str, frames: Iterable[bytes]) -> None:
    """Send frames out of a device of the calling thread's namespace; packet(7).

    Raises:
        OSError: what the kernel answered; ENETDOWN when the device is down.
    """
    sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    try:
        sender.bind((device, 0))
        for frame in frames:
            sender.send(frame)
    finally:
        # The kernel closes such a socket only after an RCU grace period, of a dozen milliseconds:
        # nobody need wait for that but the thread that does it.
        threading.Thread(target=sender.close, name="close").start()


def gratuitous_arp(mac: bytes, address: IPv4Address) -> bytes:
    """Return a broadcast ARP request whose sender and target are both the address (`arping -U`)."""
    return arp_request(mac, address, address)


def arp_request(mac: bytes, source: IPv4Address, target: IPv4Address) -> bytes:
    """Return a broadcast ARP request: who has the target, tell the source (`arping`)."""
    arp = struct.pack(
        "!HHBBH6s4s6s4s",
        _ARP_ETHERNET,
        _ETHERTYPE_IPV4,
        len(mac),
        len(source.packed),
        _ARP_REQUEST,
        mac,
        source.packed,
        bytes(6),
        target.packed,
    )
    return _ethernet(_BROADCAST, mac, ETHERTYPE_ARP, arp)


def unsolicited_advertisement(mac: bytes, address: IPv6Address) -> bytes:
    """Return an overriding neighbour advertisement to all nodes of the link (`ndsend`)."""
    option = struct.pack("!BB6s", _TARGET_LINK_LAYER_ADDRESS, 1, mac)
    body = struct.pack("!I16s", _OVERRIDE, address.packed) + option
    icmp = _icmpv6(NEIGHBOUR_ADVERTISEMENT, body, address, _ALL_NODES)
    return _ethernet(_ALL_NODES_MAC, mac, ETHERTYPE_IPV6, icmp)


def neighbour_solicitation(mac: bytes, source: IPv6Address, target: IPv6Address) -> bytes:
    """Return a neighbour solicitation to the target's group (`ndisc6`)."""
    option = struct.pack("!BB6s", _SOURCE_LINK_LAYER_ADDRESS, 1, mac)
    body = struct.pack("!I16s", 0, target.packed) + option
    group = IPv6Address(_SOLICITED_NODE | int(target) & _SOLICITED_BITS)
    icmp = _icmpv6(_NEIGHBOUR_SOLICITATION, body, source, group)
    return _ethernet(b"\x33\x33" + group.packed[-4:], mac, ETHERTYPE_IPV6, icmp)


def octets(mac: str) -> bytes:
    """Return a MAC's octets.

    Raises:
        OSError: EOPNOTSUPP when it is none of Ethernet's.
    """
    read = bytes.fromhex(mac.replace(":", ""))
    if len(read) != len(_BROADCAST):
        raise OSError(errno.EOPNOTSUPP, f"{mac!r} is no Ethernet address")
    return read


def checksum(data: bytes) -> int:
    """Return the Internet checksum of an even number of octets (RFC 1071)."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _icmpv6(kind: int, body: bytes, source: IPv6Address, destination: IPv6Address) -> bytes:
    """Return an IPv6 packet that no router has forwarded."""
    unsummed = struct.pack("!BBH", kind, 0, 0) + body
    addresses = source.packed + destination.packed
    pseudo = addresses + struct.pack("!II", len(unsummed), ICMPV6)
    icmp = struct.pack("!BBH", kind, 0, checksum(pseudo + unsummed)) + body
    return struct.pack("!IHBB", 6 << 28, len(icmp), ICMPV6, _HOP_LIMIT) + addresses + icmp


def _ethernet(destination: bytes, source: bytes, ethertype: int, payload: bytes) -> bytes:
    frame = struct.pack("!6s6sH", destination, source, ethertype) + payload
    return frame.ljust(_MINIMUM, b"\0")
