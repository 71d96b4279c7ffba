"""UDP by sockets of a namespace, which any thread may use once they are open.  Source: ip(7)."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import TypeVar

from cni.kernel import messages
from cni.kernel.datagrams import Datagram, Datagrams
from cni.kernel.types import Address, kernel_errors

T = TypeVar("T")

_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER = 10, 23
_PROBE = 3
"""Forbid taking apart (DF), and do not believe what was once learnt of the path's MTU."""
_SO_RCVBUFFORCE = 33
_ROOM = 1 << 20
"""Octets, which the kernel doubles for what it adds: some 1,600 short datagrams."""
_AT_ONCE = 64
"""Datagrams that are read before somebody else gets a turn."""
_LARGEST = 65536


class DatagramVerbs(ABC):
    """What a namespace of the running kernel says and hears."""

    @abstractmethod
    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        """Work in a thread that is in the namespace."""

    def datagrams(self, address: Address, port: int) -> Datagrams:
        """socket(2) there, and bind(2)."""
        with kernel_errors(f"bind udp {address} port {port}"):
            return UdpSocket(self._run(lambda: _bound(address, port)))


class UdpSocket:
    """Keeps the `Datagrams` protocol."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def send(self, data: bytes, target: Address, port: int) -> None:
        """sendto(2)."""
        with kernel_errors(f"send udp to {target} port {port}"):
            self._socket.sendto(data, (str(target), port))

    def receive(self) -> Sequence[Datagram]:
        """recvfrom(2), until there is no more."""
        found: list[Datagram] = []
        for _ in range(_AT_ONCE):  # errors count as well: one may last
            try:
                data, sender = self._socket.recvfrom(_LARGEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # what became of something that was sent, which its sender does not ask
            address = ip_address(sender[0].partition("%")[0])
            found.append(Datagram(data, address, sender[1]))
        return found

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()


def _bound(address: Address, port: int) -> socket.socket:
    family = messages.family(address)
    opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        if family == socket.AF_INET:
            opened.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)
        else:
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _ROOM)
        opened.bind((str(address), port))
    except OSError:
        opened.close()
        raise
    return opened
