"""What a test carries from one fake kernel to another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from cni.kernel.fake.model import HOST, Departed, Netns


class Carrying(ABC):
    """The datagrams of a fake kernel that are for others."""

    @abstractmethod
    def _at(self, path: str) -> Netns:
        """Return the namespace at a path."""

    def departed(self, *, path: str = HOST) -> Sequence[Departed]:
        """Take away what was sent from a namespace to others, in order."""
        netns = self._at(path)
        departed, netns.departed = netns.departed, []
        return departed

    def deliver(self, datagram: Departed, *, path: str = HOST) -> bool:
        """Let a datagram come into a namespace; return whether somebody there takes it."""
        opened = self._at(path).sockets.get((datagram.target, datagram.port))
        if opened:
            opened.arrive(datagram.data, datagram.source, datagram.source_port)
        return opened is not None
