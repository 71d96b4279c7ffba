"""Somebody on the LAN: who hears what nodes are sent, and sends it again."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from netns import NetNS

from cni.agent.hostgw.echo import Echo, Kind, unpack
from cni.agent.hostgw.keys import Key, Keys
from tests.netns.agent import KEY
from tests.netns.cluster import Node
from tests.netns.namespace import Namespace

ECHO_PORT = 9754
_ALL = 3
_HEADERS = struct.Struct("!12xHB8xB10xHHHH")
"""Ethernet, IPv4 without options, UDP."""
_IPV4, _NO_OPTIONS, _UDP = 0x0800, 0x45, 17
_CHECKSUM = slice(40, 42)
_MAC = slice(0, 14)
KEYS = Keys([Key.of(KEY.encode())])


class Wiretap:
    """Echoes over IPv4 that a node is sent by others, as frames.

    Args:
        opened: a packet socket on the LAN's end of the node's cable.
    """

    def __init__(self, opened: socket.socket) -> None:
        self._opened = opened
        self.recorded: list[bytes] = []

    def listen(self) -> None:
        """Record what has passed since the last time."""
        for frame, kind in self._passed():
            if kind == socket.PACKET_OUTGOING:
                # Between virtual devices nobody has summed it up yet; zero is for none.
                self.recorded.append(frame[: _CHECKSUM.start] + b"\0\0" + frame[_CHECKSUM.stop :])

    def replay(self, wanted: Callable[[Echo], bool]) -> int:
        """Send the node again what it was sent; return how many messages that were."""
        frames = [frame for frame in self.recorded if wanted(message(frame))]
        for frame in frames:
            self._opened.send(frame)
        return len(frames)

    def answers(self) -> set[bytes]:
        """Return which requests the node has answered since anything was read, by their nonces."""
        messages = (message(frame) for frame, kind in self._passed()
                    if kind != socket.PACKET_OUTGOING)  # fmt: skip
        return {echo.nonce for echo in messages if echo.kind is Kind.ANSWER}

    def _passed(self) -> Iterator[tuple[bytes, int]]:
        while True:
            try:
                frame, address = self._opened.recvfrom(65536)
            except BlockingIOError:
                return
            if _is_echo(frame):
                yield frame, address[2]


@contextmanager
def tapping(lan: Namespace, node: Node) -> Iterator[Wiretap]:
    """Tap a node's cable."""
    with NetNS(nsname=lan.name):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    with opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        opened.bind((node.port, _ALL))
        opened.settimeout(0)
        yield Wiretap(opened)


def message(frame: bytes) -> Echo:
    """Return the echo in a frame."""
    length = _HEADERS.unpack_from(frame)[5]
    return unpack(frame[_HEADERS.size : _HEADERS.size - 8 + length], KEYS)


def send(node: Node, target: Node, messages: Iterable[bytes]) -> None:
    """Send messages from a node's address to another node's agent."""
    with NetNS(nsname=node.host.name):
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with opened:
        opened.bind((node.address(4), 0))
        for data in messages:
            opened.sendto(data, (target.address(4), ECHO_PORT))


def _is_echo(frame: bytes) -> bool:
    if len(frame) < _HEADERS.size:
        return False
    kind, options, protocol, *ports, _, _ = _HEADERS.unpack_from(frame)
    is_udp = (kind, options, protocol) == (_IPV4, _NO_OPTIONS, _UDP)
    return is_udp and ECHO_PORT in ports  # requests are from ports of their own
