"""One connection to the agent: a plugin's process, from its call to its reply.

It keeps what has come and what is to be sent; the server's loop moves the bytes.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from enum import Enum

from cni import wire
from cni.agent.work import Job

_AT_ONCE = 1 << 16
"""Bytes of one read."""
_DESCRIPTORS = 4
"""Of one read; a well-behaved caller sends one at most, and none is ever lost track of."""


class Stage(Enum):
    """How far a caller has come."""

    CALLING = "its call has not come whole"
    OFFERED = "it was told that it would be served"
    SERVED = "its request is being served"
    ANSWERED = "its reply is on its way"
    GONE = "it has closed the connection, or broken the rules"


class Caller:
    """A plugin's process at the other end of a socket.

    Args:
        connection: to it, non-blocking; closed with the caller.
        now: seconds on the monotonic clock.
    """

    def __init__(self, connection: socket.socket, now: float) -> None:
        self.connection = connection
        self.stage = Stage.CALLING
        self.since = now
        """When the stage began."""
        self.call: wire.Call | None = None
        self.job: Job | None = None
        self._received = bytearray()
        self._sending = bytearray()
        self._netns = -1

    def close(self) -> None:
        """Let go of the connection, and of a descriptor that nobody took."""
        self.stage = Stage.GONE
        self.connection.close()
        if self._netns >= 0:
            os.close(self.take_netns())

    @property
    def is_there(self) -> bool:
        """Whether the other end still waits; looks at the connection itself, in any thread."""
        try:
            return self.connection.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def take_netns(self) -> int:
        """Return the descriptor that was passed, -1 for none; whoever takes it closes it."""
        taken, self._netns = self._netns, -1
        return taken

    def receive(self) -> None:
        """Read what has come; `call` is there as soon as all of it is.

        Raises:
            wire.MalformedError: it breaks the protocol.
            OSError: the connection is broken.
        """
        space = socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize)
        data, control, flags, _ = self.connection.recvmsg(_AT_ONCE, space, socket.MSG_CMSG_CLOEXEC)
        self._keep_one(control)
        if flags & socket.MSG_CTRUNC:
            raise ConnectionResetError("a descriptor that it passed is lost")  # it serves itself
        if not data:
            raise ConnectionResetError("it has closed the connection")
        self._received += data
        if self.call is None:
            self._read_call()
        elif self.stage is not Stage.OFFERED or bytes(self._received) != wire.GO:
            raise wire.MalformedError("it said something else than that it wants to be served")

    @property
    def wants_to_go(self) -> bool:
        """Whether it has answered the offer."""
        return self.stage is Stage.OFFERED and bytes(self._received) == wire.GO

    def enter(self, stage: Stage, now: float) -> None:
        """Note that it has come further."""
        self.stage = stage
        self.since = now

    def say(self, data: bytes) -> None:
        """Queue what is to be sent, and send what goes at once."""
        self._sending += data
        self.flush()

    def flush(self) -> None:
        """Send what goes at once (OSError: the connection is broken)."""
        while self._sending:
            try:
                sent = self.connection.send(self._sending)
            except BlockingIOError:
                return
            del self._sending[:sent]

    @property
    def has_to_send(self) -> bool:
        """Whether something waits for the other end to read."""
        return bool(self._sending)

    def _keep_one(self, control: list[tuple[int, int, bytes]]) -> None:
        for level, kind, payload in control:
            if level != socket.SOL_SOCKET or kind != socket.SCM_RIGHTS:
                continue
            passed = array.array("i")
            passed.frombytes(payload[: len(payload) - len(payload) % passed.itemsize])
            for descriptor in passed:
                if self._netns < 0 and self.call is None:
                    self._netns = descriptor
                else:
                    with contextlib.suppress(OSError):
                        os.close(descriptor)

    def _read_call(self) -> None:
        if len(self._received) < wire.HEADER:
            if not wire.MAGIC.startswith(self._received[: len(wire.MAGIC)]):
                raise wire.MalformedError("another protocol, or another version of it")
            return
        end = wire.HEADER + wire.length_of(bytes(self._received[: wire.HEADER]))
        if len(self._received) < end:
            return
        if len(self._received) > end:
            raise wire.MalformedError("more than a call")
        self.call = wire.Call(bytes(self._received[wire.HEADER :]))
        self._received.clear()
