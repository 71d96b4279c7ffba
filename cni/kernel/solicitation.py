"""Asking who has an address on a link, by ARP and by neighbour discovery, many at once.

The kernel's own neighbour table would do it too, but keeps an answer for minutes: this one is
about now.  Sources: RFC 826, RFC 4861 sections 4.3, 4.4 and 7.2, packet(7).
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
import threading
import time
from array import array
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address

from cni.kernel import frames
from cni.kernel.types import Address

_AGAIN = (0.0, 0.1, 0.25)
"""Seconds from the beginning until each question: radio loses broadcasts."""
_LONGEST = 2048
_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_REPLY = 2
_NEXT_HEADER, _IPV6_HEADER = 6, 40
_ADVERTISEMENT = struct.Struct("!BBHI16s")
_IPV6 = 6
_ETHERTYPES = {4: frames.ETHERTYPE_ARP, _IPV6: frames.ETHERTYPE_IPV6}
_SO_ATTACH_FILTER = 26
_INSTRUCTION = struct.Struct("=HBBI")
_PROGRAM = struct.Struct("@HP")
# `icmp6[0] == 136`, as `tcpdump -dd` compiles it for Ethernet: of all IPv6 only this is looked at.
_ADVERTISEMENTS_ONLY = (
    (0x30, 0, 0, 20), (0x15, 0, 3, 58),
    (0x30, 0, 0, 54), (0x15, 0, 1, 136),
    (0x06, 0, 0, 0x0004_0000), (0x06, 0, 0, 0),
)  # fmt: skip


def ask(
    device: str, mac: str, targets: Mapping[Address, Address], seconds: float
) -> dict[Address, str]:
    """Ask on a device of the calling thread's namespace; return the MAC of each that answers.

    Args:
        device: where.
        mac: its own.
        targets: who is asked for, and by which address of ours.
        seconds: how long to wait for the last answer.

    Raises:
        OSError: EOPNOTSUPP where the MAC is none of Ethernet's; ENETDOWN when the device is down.
    """
    own = frames.octets(mac)
    questions = {target: _question(own, targets[target], target) for target in targets}
    answers: dict[Address, str] = {}
    with _opened(device, {target.version for target in targets}) as sockets:
        begun = time.monotonic()
        for again, until in zip(_AGAIN, (*_AGAIN[1:], seconds), strict=True):
            silent = questions.keys() - answers.keys()
            if again >= seconds or not silent:
                break
            for target in silent:
                _send(sockets[target.version], questions[target])
            answers |= _hear(sockets.values(), own, silent, begun + min(until, seconds))
    return answers


def _hear(
    sockets: Collection[socket.socket], own: bytes, wanted: Collection[Address], deadline: float
) -> dict[Address, str]:
    """Return who answers until then, at once when all have."""
    answers: dict[Address, str] = {}
    with selectors.DefaultSelector() as selector:
        for opened in sockets:
            selector.register(opened, selectors.EVENT_READ, opened)
        while len(answers) < len(wanted) and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                found = answer(key.data.recv(_LONGEST), own)
                if found and found[0] in wanted:
                    answers[found[0]] = found[1]
    return answers


def answer(frame: bytes, own: bytes) -> tuple[Address, str] | None:
    """Return who answers in a frame, and its MAC; None when it is no answer to us.

    Args:
        frame: from its Ethernet header on.
        own: our MAC.
    """
    if len(frame) < _ETHERNET.size:
        return None
    to, sender, ethertype = _ETHERNET.unpack_from(frame)
    if sender == own:
        return None
    payload = frame[_ETHERNET.size :]
    if ethertype == frames.ETHERTYPE_ARP and to == own and len(payload) >= _ARP.size:
        *_, operation, mac, address, _, _ = _ARP.unpack_from(payload)
        return (IPv4Address(address), mac.hex(":")) if operation == _ARP_REPLY else None
    if ethertype == frames.ETHERTYPE_IPV6 and len(payload) >= _IPV6_HEADER + _ADVERTISEMENT.size:
        kind, _, _, _, target = _ADVERTISEMENT.unpack_from(payload, _IPV6_HEADER)
        is_one = payload[_NEXT_HEADER] == frames.ICMPV6 and kind == frames.NEIGHBOUR_ADVERTISEMENT
        return (ip_address(target), sender.hex(":")) if is_one else None
    return None


def _question(mac: bytes, source: Address, target: Address) -> bytes:
    if isinstance(source, IPv4Address) and isinstance(target, IPv4Address):
        return frames.arp_request(mac, source, target)
    if isinstance(source, IPv6Address) and isinstance(target, IPv6Address):
        return frames.neighbour_solicitation(mac, source, target)
    raise OSError(errno.EINVAL, f"{source} cannot ask for {target}")


@contextmanager
def _opened(device: str, versions: set[int]) -> Iterator[dict[int, socket.socket]]:
    sockets: dict[int, socket.socket] = {}
    try:
        for version in versions:
            # Of no protocol until it is bound: else it would hear other links before its filter.
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sockets[version] = opened
            opened.settimeout(0)
            if version == _IPV6:
                _hear_advertisements_only(opened)
            opened.bind((device, _ETHERTYPES[version]))
        yield sockets
    finally:
        for opened in sockets.values():
            threading.Thread(target=opened.close, name="close").start()  # as `frames.send` has it


def _hear_advertisements_only(opened: socket.socket) -> None:
    code = array("B", b"".join(_INSTRUCTION.pack(*step) for step in _ADVERTISEMENTS_ONLY))
    program = _PROGRAM.pack(len(_ADVERTISEMENTS_ONLY), code.buffer_info()[0])
    opened.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _send(opened: socket.socket, frame: bytes) -> None:
    try:
        opened.send(frame)
    except OSError as error:
        if error.errno not in {errno.ENOBUFS, errno.EAGAIN}:  # a queue is full: the next one goes
            raise OSError(error.errno, os.strerror(error.errno or errno.EIO)) from error
