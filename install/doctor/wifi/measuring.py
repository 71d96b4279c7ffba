"""Echo requests to several addresses at once, within a bounded time (`ping -c N -i S`).

Source: IP_UNICAST_IF of the kernel's in.h: a packet leaves by that device, and its answer may come
by any.
"""

from __future__ import annotations

import secrets
import selectors
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from cni.kernel.types import Address
from install.doctor import echo
from install.doctor.echo import FAMILIES, Family
from install.doctor.wifi.facts import Series

COUNT, INTERVAL, PATIENCE = 20, 0.05, 1.0
"""Requests to each, seconds between two, and seconds for the last answer."""
_LEAVE_BY = {4: 50, 6: 76}
"""IP_UNICAST_IF and IPV6_UNICAST_IF."""
_LENGTH = 48
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class Target:
    """Who is asked."""

    address: Address
    index: int = 0
    """Of the device by which requests leave; 0 for what the routes say."""


@dataclass(slots=True)
class _Asker:
    """A socket for one target, and what it has sent and heard."""

    target: Target
    family: Family
    opened: socket.socket
    identifier: int
    sent: list[float] = field(default_factory=list)
    times: dict[int, float] = field(default_factory=dict)

    def ask(self) -> None:
        """Send one request; one that cannot leave is as good as lost."""
        number = len(self.sent)
        self.sent.append(time.monotonic())
        packet = echo.request(self.family, self.identifier, number, _LENGTH)
        try:
            self.opened.sendto(packet, (str(self.target.address), 0))
        except OSError:
            return

    def hear(self) -> None:
        """Take an answer, unless it is another program's."""
        packet, now = self.opened.recv(_LONGEST), time.monotonic()
        number = echo.answered(self.family, packet, self.identifier)
        if number is not None and number < len(self.sent):
            self.times.setdefault(number, 1000 * (now - self.sent[number]))

    def is_done(self) -> bool:
        """Return whether every request has its answer."""
        return len(self.times) == len(self.sent)

    def series(self) -> Series:
        """Return what has become of the requests."""
        return Series(len(self.sent), tuple(self.times[number] for number in sorted(self.times)))


def measure(targets: Sequence[Target]) -> list[Series]:
    """Ask all of them COUNT times; return a series for each.

    It takes `COUNT * INTERVAL + PATIENCE` seconds at most.

    Raises:
        OSError: EPERM for who is not root.
    """
    if not targets:
        return []
    with _opened(targets) as askers, selectors.DefaultSelector() as selector:
        for asker in askers:
            selector.register(asker.opened, selectors.EVENT_READ, asker)
        begun = time.monotonic()
        for number in range(COUNT):
            for asker in askers:
                asker.ask()
            _hear(selector, begun + (number + 1) * INTERVAL, ())
        _hear(selector, time.monotonic() + PATIENCE, askers)
        return [asker.series() for asker in askers]


def _hear(selector: selectors.BaseSelector, deadline: float, waited_for: Sequence[_Asker]) -> None:
    """Hear until then, or until all that is waited for has come."""
    while (left := deadline - time.monotonic()) > 0:
        if waited_for and all(asker.is_done() for asker in waited_for):
            return
        for key, _ in selector.select(left):
            key.data.hear()


@contextmanager
def _opened(targets: Sequence[Target]) -> Iterator[list[_Asker]]:
    first = secrets.randbelow(1 << 16)
    with ExitStack() as stack:
        askers = []
        for number, target in enumerate(targets):
            version = target.address.version
            family = FAMILIES[version]
            opened = socket.socket(family.domain, socket.SOCK_RAW, family.protocol)
            stack.enter_context(opened)
            if target.index:
                opened.setsockopt(family.level, _LEAVE_BY[version], struct.pack("!I", target.index))
            askers.append(_Asker(target, family, opened, (first + number) & 0xFFFF))
        yield askers
