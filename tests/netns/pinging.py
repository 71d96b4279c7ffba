"""Ping an address every 10 ms until SIGINT; then print when each packet was sent that came back.

Run as a program, in a pod.  `ping -i 0.01` keeps no such pace where the kernel ticks slowly.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import struct
import sys
import time
from contextlib import suppress

INTERVAL = 0.01
"""Seconds."""
BEGUN = "pinging"
"""The first line."""
_LAST_WAIT = 0.5
"""Seconds for what is under way in the end."""
_KINDS = {4: (8, 0), 6: (128, 129)}
"""Request and answer."""
_PACKET = struct.Struct("!BBHHI")
_OWN = 4242


def main() -> None:
    """Ping, and print a JSON list: of each packet when it was sent, and whether it came back."""
    family = 6 if ":" in sys.argv[1] else 4
    ended = False

    def end(*_: object) -> None:
        nonlocal ended
        ended = True

    signal.signal(signal.SIGINT, end)
    sent: list[float] = []
    answered: set[int] = set()
    with _open(family) as opened:
        opened.connect((sys.argv[1], 0))
        sys.stdout.write(f"{BEGUN}\n")
        sys.stdout.flush()
        due = time.monotonic()
        while not ended:
            _send(opened, family, len(sent))
            sent.append(time.monotonic())
            due = max(due + INTERVAL, sent[-1])
            _receive(opened, family, answered, due)
        _receive(opened, family, answered, time.monotonic() + _LAST_WAIT)
    json.dump([(at, number in answered) for number, at in enumerate(sent)], sys.stdout)


def _open(family: int) -> socket.socket:
    if family == 4:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    return socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)


def _send(opened: socket.socket, family: int, number: int) -> None:
    kind, _ = _KINDS[family]
    packet = _PACKET.pack(kind, 0, 0, _OWN, number)
    packet = _PACKET.pack(kind, 0, _checksum(packet), _OWN, number)  # the kernel makes IPv6's
    with suppress(OSError):  # it reports an ICMP error that has come: this packet is lost, too
        opened.send(packet)


def _receive(opened: socket.socket, family: int, answered: set[int], until: float) -> None:
    """Note the answers that come until then."""
    while (rest := until - time.monotonic()) > 0:
        if not select.select([opened], [], [], rest)[0]:
            return
        with suppress(OSError):  # an ICMP error: what it is about comes back never
            packet = opened.recv(256)[20 if family == 4 else 0 :]
            kind, _, _, own, number = _PACKET.unpack_from(packet)
            if (kind, own) == (_KINDS[family][1], _OWN):
                answered.add(number)


def _checksum(packet: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(packet) // 2}H", packet))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


if __name__ == "__main__":
    main()
