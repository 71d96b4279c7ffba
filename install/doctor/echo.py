"""Echo requests and their answers, as bytes.  Pure.

Sources: RFC 792 and RFC 4443 section 4 (echo); raw(7): a raw socket reads IPv4's header, and
IPv6's not, and the kernel computes ICMPv6's checksum alone.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from cni.kernel.frames import checksum

HEADER = struct.Struct("!BBHHH")
_LENGTH_WORDS = 4
"""IPv4 counts its header in these."""


@dataclass(frozen=True, slots=True)
class Family:
    """What differs between IPv4 and IPv6."""

    domain: int
    protocol: int
    request: int
    reply: int
    level: int
    overhead: int
    """Bytes of the IP header and of the echo's, around what it carries."""


FAMILIES = {
    4: Family(socket.AF_INET, socket.IPPROTO_ICMP, 8, 0, socket.IPPROTO_IP, 28),
    6: Family(socket.AF_INET6, socket.IPPROTO_ICMPV6, 128, 129, socket.IPPROTO_IPV6, 48),
}


def request(family: Family, identifier: int, number: int, length: int) -> bytes:
    """Return an echo request.

    Args:
        family: of the address that it is for.
        identifier: tells its sender from others, 16 bits.
        number: tells it from the sender's others, 16 bits.
        length: of what it carries, in bytes.
    """
    header = HEADER.pack(family.request, 0, 0, identifier, number)
    if family.domain == socket.AF_INET:  # the zeros behind it add nothing
        header = HEADER.pack(family.request, 0, checksum(header), identifier, number)
    return header + bytes(length)


def answered(family: Family, packet: bytes, identifier: int) -> int | None:
    """Return the number of the request that a packet answers, None for any other packet."""
    if family.domain == socket.AF_INET and packet:
        packet = packet[(packet[0] & 0xF) * _LENGTH_WORDS :]
    if len(packet) < HEADER.size:
        return None
    kind, _, _, whose, number = HEADER.unpack_from(packet)
    return int(number) if (kind, whose) == (family.reply, identifier) else None
