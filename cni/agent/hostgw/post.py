"""Letters to the peers: signed and sent, heard and recognised."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from cni.agent.hostgw import echo
from cni.agent.hostgw.echo import EchoError, Letter, UnknownKeyError, Way
from cni.agent.hostgw.keys import Keys
from cni.agent.hostgw.peers import Peers
from cni.agent.hostgw.sockets import Sockets
from cni.kernel.datagrams import Datagram
from cni.protocol.errors import CniError

log = logging.getLogger(__name__)


class Post:
    """What goes out, and what comes in.

    Args:
        sockets: carry it.
        peers: are told of it.
        keys: reads the keys as they are now (CniError).
    """

    def __init__(self, sockets: Sockets, peers: Peers, keys: Callable[[], Keys]) -> None:
        self.sockets = sockets
        self._peers = peers
        self._read_keys = keys
        self._keys: Keys | None = None
        self.problem = ""
        """Why no peer can be spoken to, in words."""
        self.refused = Counter[str]()
        """Messages that were not taken, by why."""

    def renew_keys(self) -> None:
        """Read the keys again: they may have been rotated; bad ones do not replace good ones."""
        problem = ""
        try:
            self._keys = self._read_keys()
        except CniError as error:
            problem = str(error)
        if problem and problem != self.problem:
            log.error("%s", problem)
        self.problem = problem

    def send(self, letter: Letter, now: float) -> None:
        """Send a message that answers none."""
        if self._keys:
            data = echo.pack(letter.echo, self._keys.own, letter.size)
            self.sockets.ask(data, letter, now)

    def receive(self, way: Way, now: float) -> None:
        """Take what has come on a way, and answer what asks."""
        for datagram in self.sockets.receive(way):
            reason = self._take(datagram, way, now)
            if reason:
                self.refused[reason] += 1

    def _take(self, datagram: Datagram, way: Way, now: float) -> str:
        """Take a message; return why it is not taken, empty when it is."""
        if self._keys is None:
            return "no key"
        try:
            message = echo.unpack(datagram.data, self._keys)
        except EchoError as error:
            if isinstance(error, UnknownKeyError):
                self._peers.misunderstand(datagram.source, now)
            return str(error)
        if message.way is not way:
            return "astray"
        if not self._peers.knows(message, datagram.source):
            return "stranger"
        if answer := self._peers.take(message, datagram.source, now):
            self._reply(answer, datagram, self._keys)
        return ""

    def _reply(self, letter: Letter, request: Datagram, keys: Keys) -> None:
        """Send an answer; it is as long as its request, and never longer."""
        data = echo.pack(letter.echo, keys.own, len(request.data))
        if len(data) <= len(request.data):
            self.sockets.answer(data, letter, request.port)
