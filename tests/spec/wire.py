"""What goes over a rail: frames as the neighbours see them, and those that a router sends."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

_ETHERNET = struct.Struct("!6s6sH")
_IPV4, _ARP, _IPV6 = 0x0800, 0x0806, 0x86DD
_ICMP, _ICMPV6 = 1, 58
_ECHO_REPLY = 0
_ROUTER_ADVERTISEMENT, _NEIGHBOUR_ADVERTISEMENT = 134, 136
_ALL_NODES = IPv6Address("ff02::1")
_ALL_NODES_MAC = b"\x33\x33\x00\x00\x00\x01"


def await_frame(packets: socket.socket, wanted: Callable[[bytes], bool], seconds: float) -> bytes:
    """Return the first frame received that is wanted.

    Raises:
        TimeoutError: there was none.
    """
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        packets.settimeout(left)
        frame, (_, _, direction, *_) = packets.recvfrom(65536)
        if direction != socket.PACKET_OUTGOING and wanted(frame):
            return frame
    raise TimeoutError


def received(packets: socket.socket) -> list[bytes]:
    """Return the frames that have been received so far, the sent ones apart."""
    packets.settimeout(0)
    frames: list[bytes] = []
    while True:
        try:
            frame, (_, _, direction, *_) = packets.recvfrom(65536)
        except BlockingIOError:
            return frames
        if direction != socket.PACKET_OUTGOING:
            frames.append(frame)


@dataclass(frozen=True, slots=True)
class Announcement:
    """Somebody tells everybody that it has an address."""

    mac: str
    address: IPv4Address | IPv6Address


def announcement(frame: bytes) -> Announcement | None:
    """Return what a gratuitous ARP request or an unsolicited neighbour advertisement tells."""
    destination, source, ethertype = _ETHERNET.unpack_from(frame)
    body = frame[_ETHERNET.size :]
    if ethertype == _ARP and destination == b"\xff" * 6:
        mac, sender, _, target = struct.unpack_from("!6s4s6s4s", body, 8)
        if sender == target:
            assert mac == source
            return Announcement(mac.hex(":"), IPv4Address(sender))
    if ethertype == _IPV6 and destination == _ALL_NODES_MAC and body[6] == _ICMPV6:
        kind, flags, target = struct.unpack_from("!BxxxI16s", body, 40)
        override, solicited = flags >> 29 & 1, flags >> 30 & 1
        if kind == _NEIGHBOUR_ADVERTISEMENT and override and not solicited:
            option, units, mac = struct.unpack_from("!BB6s", body, 64)
            assert (option, units, mac) == (2, 1, source)
            return Announcement(mac.hex(":"), IPv6Address(target))
    return None


def is_echo_reply(frame: bytes, source: str) -> bool:
    """Return whether a frame is an address's answer to a ping."""
    ethertype = _ETHERNET.unpack_from(frame)[2]
    body = frame[_ETHERNET.size :]
    return (
        ethertype == _IPV4
        and body[9] == _ICMP
        and body[12:16] == ip_address(source).packed
        and body[20] == _ECHO_REPLY
    )


def router_advertisement(prefix: IPv6Network, covered: IPv6Network) -> bytes:
    """Return a frame by which a router offers itself to all nodes for half an hour.

    Args:
        prefix: on the link, for everybody to make an address in (RFC 4861 section 4.6.2).
        covered: what is to be routed through it besides everything (RFC 4191 section 2.3).
    """
    lifetime = 1800
    mac, router = bytes.fromhex("02000000fe01"), IPv6Address("fe80::fe01")
    prefix_option = struct.pack(
        "!BBBBIII16s", 3, 4, prefix.prefixlen, 0xC0, lifetime, lifetime, 0,
        prefix.network_address.packed,
    )  # fmt: skip
    route_option = struct.pack(
        "!BBBBI16s", 24, 3, covered.prefixlen, 0, lifetime, covered.network_address.packed
    )
    body = struct.pack("!BBHII", 64, 0, lifetime, 0, 0) + prefix_option + route_option
    head = struct.pack("!BBH", _ROUTER_ADVERTISEMENT, 0, 0)
    pseudo = router.packed + _ALL_NODES.packed + struct.pack("!II", len(head + body), _ICMPV6)
    icmp = head[:2] + struct.pack("!H", _checksum(pseudo + head + body)) + body
    header = struct.pack("!IHBB", 6 << 28, len(icmp), _ICMPV6, 255)
    ip = header + router.packed + _ALL_NODES.packed + icmp
    return _ETHERNET.pack(_ALL_NODES_MAC, mac, _IPV6) + ip


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
