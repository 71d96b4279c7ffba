"""UDP among the sockets of one namespace of the fake; what is for others waits to be carried."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from cni.kernel.datagrams import Datagram, Datagrams
from cni.kernel.fake import routing
from cni.kernel.fake.model import Departed, Netns
from cni.kernel.fake.verbs import Verbs, refused
from cni.kernel.types import LOCAL_TABLE, Address

_HEADERS = {4: 28, 6: 48}
"""Octets of IP and UDP."""
_EPHEMERAL = range(32768, 61000)
_LOOPBACK_MTU = 65536


class DatagramVerbs(Verbs):
    """What a namespace of the fake says and hears."""

    def datagrams(self, address: Address, port: int) -> Datagrams:
        """Open a socket."""
        self._devices()
        words = f"udp {address} port {port}"
        own = {held.ip for device in self._devices() for held in device.addresses}
        if address not in own:
            raise refused(words, errno.EADDRNOTAVAIL, program="bind")
        if not port:
            port = next(p for p in _EPHEMERAL if (address, p) not in self.netns.sockets)
        if (address, port) in self.netns.sockets:
            raise refused(words, errno.EADDRINUSE, program="bind")
        opened = FakeDatagrams(self.netns, address, port)
        self.netns.sockets[address, port] = opened
        return opened


class FakeDatagrams:
    """Keeps the `Datagrams` protocol."""

    def __init__(self, netns: Netns, address: Address, port: int) -> None:
        self._netns = netns
        self._address = address
        self._port = port
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._come: list[Datagram] = []

    def fileno(self) -> int:
        """Return what becomes readable."""
        return self._bell

    def send(self, data: bytes, target: Address, port: int) -> None:
        """Hand it over where somebody here has the address, else to whoever carries it on."""
        words = f"udp to {target} port {port}"
        if target.version != self._address.version:
            raise refused(words, errno.EINVAL, program="send")
        way = routing.way_to(self._netns, target)
        if way is None:
            raise refused(words, errno.ENETUNREACH, program="send")
        is_own = way.table == LOCAL_TABLE
        most = _LOOPBACK_MTU if is_own else way.mtu or self._netns.devices[way.index].mtu
        if len(data) + _HEADERS[target.version] > most:
            raise refused(words, errno.EMSGSIZE, program="send")
        if other := self._netns.sockets.get((target, port)):
            other.arrive(data, self._address, self._port)
        elif not is_own:
            sent = Departed(data, self._address, target, port, self._port)
            self._netns.departed.append(sent)

    def arrive(self, data: bytes, source: Address, port: int) -> None:
        """Have something come."""
        self._come.append(Datagram(data, source, port))
        os.eventfd_write(self._bell, 1)

    def receive(self) -> Sequence[Datagram]:
        """Return what has come."""
        if self._come:
            os.eventfd_read(self._bell)
        come, self._come = self._come, []
        return come

    def close(self) -> None:
        """Let go of it."""
        self._come.clear()
        if self._netns.sockets.pop((self._address, self._port), None):
            os.close(self._bell)
