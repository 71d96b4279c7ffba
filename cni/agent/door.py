"""Who comes to the agent's socket: root's processes alone, and no more than can be taken."""

from __future__ import annotations

import logging
import selectors
import socket
import struct
from collections.abc import Callable, Iterator

log = logging.getLogger(__name__)

_MOST_AT_ONCE = 64
"""Connections taken before others are looked at again."""
_CREDENTIALS = struct.Struct("3i")


class Door:
    """A listening socket in a loop's selector.

    Args:
        listener: the socket.
        selector: tells when somebody comes.
        refused: is told why somebody was sent away.
    """

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        refused: Callable[[str], None],
    ) -> None:
        self._listener = listener
        self._selector = selector
        self._refused = refused
        self._is_watched = False
        self.is_open = False
        """Whether anybody may come still."""

    def fileno(self) -> int:
        """Return the descriptor that the selector names; -1 when the door is shut."""
        return self._listener.fileno()

    def open(self) -> None:
        """Let them come."""
        self._listener.setblocking(False)  # noqa: FBT003 - the only argument
        self.is_open = True
        self.resume()

    def shut(self) -> None:
        """Let nobody come any more: who does is refused at once, and need not wait."""
        self._pause()
        self._listener.close()
        self.is_open = False

    def resume(self) -> None:
        """Let them come again, after a pause for want of descriptors."""
        if self.is_open and not self._is_watched:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._is_watched = True

    def comers(self) -> Iterator[socket.socket]:
        """Yield the connections of those that are there now, non-blocking."""
        for _ in range(_MOST_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                log.warning("a caller could not be taken: %s", error)
                self._pause()  # the listener would be readable without end
                return
            if _user_of(connection) != 0:
                self._refused("not root")
                connection.close()
                continue
            connection.setblocking(False)  # noqa: FBT003 - the only argument
            yield connection

    def _pause(self) -> None:
        if self._is_watched:
            self._selector.unregister(self._listener)
            self._is_watched = False


def _user_of(connection: socket.socket) -> int:
    """Return the user id of the process at the other end (SO_PEERCRED)."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(data)
    return int(user)
