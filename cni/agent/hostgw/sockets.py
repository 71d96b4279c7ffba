"""The sockets that echoes come and go by."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from selectors import EVENT_READ, BaseSelector

from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.probe import Attached
from cni.kernel.datagrams import Datagram, Datagrams
from cni.kernel.interface import Namespace
from cni.kernel.types import Address, KernelError

log = logging.getLogger(__name__)


class Sockets:
    """One for each address of ours and each way.

    Args:
        host: the host's namespace.
        port: of the echoes; over the overlay it is the next one.
        selector: is told of them; their data there is their way.
    """

    def __init__(self, host: Namespace, port: int, selector: BaseSelector) -> None:
        self._host = host
        self._port = port
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

    def send(self, data: bytes, way: Way, source: Address, target: Address) -> None:
        """Send a message; what cannot be sent is as good as lost on its way."""
        opened = self._opened.get((way, source))
        if opened is None:
            return
        try:
            opened.send(data, target)
        except KernelError as error:
            log.debug("%s", error)

    def receive(self, way: Way) -> Iterator[Datagram]:
        """Yield what has come on a way."""
        for (of_way, _), opened in list(self._opened.items()):
            if of_way is way:
                yield from opened.receive()

    def close(self) -> None:
        """Let go of all."""
        self._close(list(self._opened))

    def _open(self, way: Way, address: Address) -> None:
        port = self._port + (way is Way.OVERLAY)
        attached = self._attached
        space = self._host if way is Way.NODE or attached is None else attached.namespace
        opened = space.datagrams(address, port)
        self._opened[way, address] = opened
        self._selector.register(opened, EVENT_READ, way)

    def _close(self, keys: Iterable[tuple[Way, Address]]) -> None:
        for key in list(keys):
            opened = self._opened.pop(key)
            self._selector.unregister(opened)
            opened.close()
