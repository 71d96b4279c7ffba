"""TCP between pods: how soon a connection is there, and how much it carries.

`python3 tcp.py serve | measure ADDRESS`
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from statistics import median

_PORT = 7777
_PATIENCE = 30
_CONNECTIONS = 10
_PAUSE = 0.25
"""Seconds before each of them: a radio that saves power has gone to sleep by then."""
_SECONDS = 3
"""Of sending."""


def serve() -> None:
    """Count what each connection brings, and answer the number."""
    with socket.create_server(("", _PORT)) as server:
        print("listening", flush=True)  # noqa: T201 - whoever started this reads it
        while True:
            peer, _ = server.accept()
            threading.Thread(target=_count, args=[peer], daemon=True).start()


def _count(peer: socket.socket) -> None:
    count = 0
    with peer:
        while data := peer.recv(65536):
            count += len(data)
        peer.sendall(b"%d\n" % count)


def measure(address: str) -> dict[str, float]:
    """Return, in ms, the median and the longest set-up, and in Mbit/s what one connection carries.

    Raises:
        OSError: no connection, or it broke.
    """
    setups = [_setup(address) for _ in range(_CONNECTIONS)]
    return {"median": median(setups), "longest": max(setups), "rate": _rate(address)}


def _setup(address: str) -> float:
    time.sleep(_PAUSE)
    began = time.monotonic()
    with _connection(address):
        return (time.monotonic() - began) * 1000


def _rate(address: str) -> float:
    block = bytes(16384)
    with _connection(address) as peer:
        sent, began = 0, time.monotonic()
        while time.monotonic() < began + _SECONDS:
            peer.sendall(block)
            sent += len(block)
        peer.shutdown(socket.SHUT_WR)
        arrived = int(peer.makefile().readline())
        seconds = time.monotonic() - began
    assert arrived == sent > 0
    return arrived * 8 / seconds / 1e6


def _connection(address: str) -> socket.socket:
    return socket.create_connection((address, _PORT), _PATIENCE)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        print(json.dumps(measure(sys.argv[2])))  # noqa: T201 - the same
