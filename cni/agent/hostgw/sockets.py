"""The sockets that echoes come and go by."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from selectors import EVENT_READ, BaseSelector

from cni.agent.hostgw.echo import Letter, Way
from cni.agent.hostgw.probe import Attached
from cni.agent.hostgw.settings import HostgwSettings
from cni.kernel.datagrams import Datagram, Datagrams
from cni.kernel.interface import Namespace
from cni.kernel.types import Address, KernelError

log = logging.getLogger(__name__)


class Sockets:
    """One for each address of ours and each way, and what requests on the direct way are sent from.

    These have ports of their own, and others before long: a firewall that lets in what belongs to a
    connection has to let in each request as the beginning of one, as it has to let in pods'.  From
    one port to the same, a peer's requests would open the way for ours.

    Args:
        host: the host's namespace.
        settings: the port of the echoes, and how long an answer may take; over the overlay it is
            the next port.
        selector: is told of them; their data there is their way.
    """

    def __init__(
        self, host: Namespace, settings: HostgwSettings, selector: BaseSelector
    ) -> None:  # fmt: skip
        self._times = settings.times
        self._asking: dict[Address, list[tuple[float, Datagrams]]] = {}
        """By their address, those for requests, with when each was opened; the last is in use."""
        self._host = host
        self._port = settings.port
        self._selector = selector
        self._opened: dict[tuple[Way, Address], Datagrams] = {}
        self._attached: Attached | None = None
        self.problem = ""
        """Why one could not be opened, in words."""

    def follow(self, nodes: Iterable[Address], attached: Attached | None) -> None:
        """Have those that are needed, and no others.

        Args:
            nodes: this node's addresses, as its peers know them.
            attached: the pod of its own.
        """
        wanted = {(Way.NODE, address) for address in nodes}
        if attached is not self._attached:
            self._close(key for key in list(self._opened) if key[0] is not Way.NODE)
            self._attached = attached
        if attached:
            probes = attached.addresses.values()
            wanted |= {(way, a) for way in (Way.DIRECT, Way.OVERLAY) for a in probes}
        self._close(self._opened.keys() - wanted)
        problem = ""
        for key in wanted - self._opened.keys():
            try:
                self._open(*key)
            except KernelError as error:
                problem = f"no echoes: {error}"
        if problem and problem != self.problem:
            log.error("%s", problem)
        self.problem = problem

    def ask(self, data: bytes, letter: Letter, now: float) -> None:
        """Send a request; what cannot be sent is as good as lost on its way."""
        opened = self._opened.get((letter.echo.way, letter.source))
        if opened is None:
            return
        try:
            if letter.echo.way is Way.DIRECT:
                opened = self._to_ask_from(letter.source, now)
            opened.send(data, letter.target, self._port_of(letter.echo.way))
        except KernelError as error:
            log.debug("%s", error)

    def answer(self, data: bytes, letter: Letter, port: int) -> None:
        """Send an answer to the port that its request was sent from; else as `ask`."""
        opened = self._opened.get((letter.echo.way, letter.source))
        if opened is None:
            return
        try:
            opened.send(data, letter.target, port)
        except KernelError as error:
            log.debug("%s", error)

    def receive(self, way: Way) -> Iterator[Datagram]:
        """Yield what has come on a way."""
        for (of_way, _), opened in list(self._opened.items()):
            if of_way is way:
                yield from opened.receive()
        if way is Way.DIRECT:
            for opened in [each for those in self._asking.values() for _, each in those]:
                yield from opened.receive()

    def close(self) -> None:
        """Let go of all."""
        self._close(list(self._opened))

    def _port_of(self, way: Way) -> int:
        return self._port + (way is Way.OVERLAY)

    def _open(self, way: Way, address: Address) -> None:
        self._opened[way, address] = self._bound(way, address, self._port_of(way))

    def _bound(self, way: Way, address: Address, port: int) -> Datagrams:
        attached = self._attached
        space = self._host if way is Way.NODE or attached is None else attached.namespace
        opened = space.datagrams(address, port)
        self._selector.register(opened, EVENT_READ, way)
        return opened

    def _to_ask_from(self, address: Address, now: float) -> Datagrams:
        """Return a socket for a request: a new one for each interval."""
        asking = self._asking.setdefault(address, [])
        while asking and now - asking[0][0] > self._times.interval + self._times.limit:
            self._end(asking.pop(0)[1])
        if not asking or now - asking[-1][0] >= self._times.interval:
            asking.append((now, self._bound(Way.DIRECT, address, 0)))
        return asking[-1][1]

    def _close(self, keys: Iterable[tuple[Way, Address]]) -> None:
        for key in list(keys):
            self._end(self._opened.pop(key))
            if key[0] is Way.DIRECT:
                for _, asking in self._asking.pop(key[1], ()):
                    self._end(asking)

    def _end(self, opened: Datagrams) -> None:
        self._selector.unregister(opened)
        opened.close()
