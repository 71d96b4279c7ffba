"""Rubbish, halves of calls, and connections that say nothing, on the agent's socket."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from cni import wire

_PATIENCE = 10.0
_OPEN = 700
"""Connections that are kept open at a time."""


def connect(path: str) -> socket.socket:
    """Connect, as soon as there is room in the backlog."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(path)
        except BlockingIOError:
            connection.close()
            assert time.monotonic() < deadline, "nobody is taken any more"
            time.sleep(0.001)
        else:
            return connection


def flood(path: str, whole: bytes, number: int, now_and_then: Callable[[], None]) -> None:
    """Make connections that are no good.

    Args:
        path: of the socket.
        whole: a call as it should be.
        number: how many.
        now_and_then: called ten times in between, while hundreds are open.
    """
    lottery = random.Random(5)  # noqa: S311 - rubbish, no secret
    kept: list[socket.socket] = []
    for count in range(number):
        connection = connect(path)
        with suppress(OSError):  # it may have been sent away already
            connection.sendall(_rubbish(lottery, count, whole))
        if count % 3:
            connection.close()
        else:
            kept.append(connection)
            if len(kept) > _OPEN:
                kept.pop(0).close()
        if count % (number // 10) == 0:
            now_and_then()
    for connection in kept:
        connection.close()


def _rubbish(lottery: random.Random, count: int, whole: bytes) -> bytes:
    return (
        b"",
        lottery.randbytes(40),
        whole[: lottery.randrange(len(whole))],
        wire.MAGIC + lottery.randbytes(4),
        wire.MAGIC + b"\0\0\0\5" + lottery.randbytes(5),
        whole + b"more",
        whole.replace(b"CNI_COMMAND", b"\xff" * 11),
    )[count % 7]
