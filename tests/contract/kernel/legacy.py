"""What `iptables-legacy` and `ethtool` would change, without those programs."""

from __future__ import annotations

import array
import fcntl
import socket
import struct

from cni.kernel import libc

_INFO = struct.Struct("@32s13I")
_VERDICT = 32
_POLICY = 5 + 2
"""Of FORWARD, among five chains' places and five policies'."""
_FAMILIES = {
    4: (socket.AF_INET, socket.SOL_IP, 84),
    6: (socket.AF_INET6, socket.IPPROTO_IPV6, 136),
}
"""Domain, level, and the bytes of what an entry matches."""
_SET_CHECKSUMS = 0x17
_SIOCETHTOOL = 0x8946


def drop_forwarded_by_iptables(version: int) -> None:
    """`iptables-legacy -A FORWARD -j ACCEPT; iptables-legacy -P FORWARD DROP`, or ip6tables's.

    In the calling thread's namespace.
    """
    domain, level, matched = _FAMILIES[version]
    with socket.socket(domain, socket.SOCK_RAW, socket.IPPROTO_RAW) as asker:
        name = b"filter".ljust(32, b"\0")
        asked = libc.getsockopt(asker.fileno(), level, 64, name + bytes(52))
        _, hooks, *places, count, size = _INFO.unpack(asked)  # places: of chains, of policies
        question = struct.pack("@32sI0Q", name, size) + bytes(size)
        entries = bytearray(libc.getsockopt(asker.fileno(), level, 65, question)[40:])
        policy = places[_POLICY]
        target, length = struct.unpack_from("@HH", entries, policy + matched + 4)
        entries[policy:policy] = entries[policy : policy + length]  # it accepts: a rule `-j ACCEPT`
        places = [at + length if policy < at < size else at for at in places]
        places[_POLICY], count, size = policy + length, count + 1, size + length
        struct.pack_into("@i", entries, places[_POLICY] + target + _VERDICT, -1)
        counters = array.array("B", bytes(16 * (count - 1)))
        head = struct.pack(
            "@32s3I10IIP", name, hooks, count, size, *places, count - 1, counters.buffer_info()[0]
        )
        asker.setsockopt(level, 64, head + entries)


def stop_offloading(device: str) -> None:
    """`ethtool -K DEVICE tx off`, in the calling thread's namespace."""
    value = array.array("B", struct.pack("=II", _SET_CHECKSUMS, 0))
    request = struct.pack("@16sP16x", device.encode(), value.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        fcntl.ioctl(asker, _SIOCETHTOOL, request)
