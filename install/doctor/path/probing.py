"""Long packets that nobody may cut, in a pod's namespace (`ping -M do -s SIZE -I SOURCE TARGET`).

Source: ip(7), ipv6(7): IP_PMTUDISC_PROBE sets the don't-fragment bit, and believes nothing that
was learnt of the path before.  The answer may be cut all the same: who answers does not forbid it.
So the kernel is asked whether it had to put one together (IP_RECVFRAGSIZE, Linux 4.16).
"""

from __future__ import annotations

import errno
import secrets
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from cni.kernel.netns import NetnsThread
from install.doctor import echo
from install.doctor.echo import FAMILIES, Family
from install.doctor.path import sizes
from install.doctor.path.facts import Outcome, Pod, Probe

TRIES = 3
"""Packets of each size."""
PATIENCE = 0.5
"""Seconds for the answers of one round."""
_MTU_DISCOVER = {4: 10, 6: 23}
_PROBE = 3
_DONT_FRAGMENT = 62
_FRAGMENT_SIZE = {4: 25, 6: 77}
_LOST = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOBUFS})
"""The neighbour has not answered; or the device has dropped it, which IPv6 alone tells."""
_SMALLEST = {4: 84, 6: 104}
"""Bytes of a usual ping, which any path carries."""
_LONGEST = 1 << 16
_ROOM = socket.CMSG_SPACE(4)

T = TypeVar("T")


def probe(pod: Pod, probes: Sequence[Probe]) -> list[Outcome]:
    """Try all of them, one after the other, in the pod's namespace.

    Raises:
        NetnsGoneError: the pod has gone.
    """
    if not pod.netns:
        return [_outcome(one) for one in probes]
    with NetnsThread() as thread:
        thread.enter(pod.netns)
        return [thread.run(_bound(one)) for one in probes]


def _bound(one: Probe) -> Callable[[], Outcome]:
    return lambda: _outcome(one)


def _outcome(one: Probe) -> Outcome:
    family = FAMILIES[one.target.version]
    try:
        with socket.socket(family.domain, socket.SOCK_RAW, family.protocol) as opened:
            _prepare(opened, family, one)
            return _search(_Asker(opened, family, one))
    except OSError as error:
        return Outcome(refused=error.strerror or str(error))


def _prepare(opened: socket.socket, family: Family, one: Probe) -> None:
    version = one.target.version
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, one.rail.ifname.encode())
    opened.setsockopt(family.level, _MTU_DISCOVER[version], _PROBE)
    if version == 6:  # noqa: PLR2004 - the version itself
        opened.setsockopt(family.level, _DONT_FRAGMENT, 1)
    opened.setsockopt(family.level, _FRAGMENT_SIZE[version], 1)
    opened.bind((str(one.source), 0))


class _Asker:
    """Sends packets of several sizes, and hears which came back."""

    def __init__(self, opened: socket.socket, family: Family, one: Probe) -> None:
        self._opened = opened
        self._family = family
        self._target = (str(one.target), 0)
        self._identifier = secrets.randbelow(1 << 16)
        self._number = 0
        self.smallest = _SMALLEST[one.target.version]
        self.wanted = one.rail.wanted

    def ask(self, tried: Sequence[int]) -> dict[int, int]:
        """Return of each size how many packets came back; of those that could not leave, -1."""
        came = dict.fromkeys(tried, 0)
        waiting: dict[int, int] = {}
        for _ in range(TRIES):
            for size in tried:
                if came[size] >= 0 and not self._send(size, waiting):
                    came[size] = -1
        deadline = time.monotonic() + PATIENCE
        while waiting and (left := deadline - time.monotonic()) > 0:
            if select.select([self._opened], [], [], left)[0]:
                packet, put_together, _, _ = self._opened.recvmsg(_LONGEST, _ROOM)
                number = echo.answered(self._family, packet, self._identifier)
                size = waiting.pop(number, 0) if number is not None else 0
                if size and not put_together:
                    came[size] += 1
        return came

    def _send(self, size: int, waiting: dict[int, int]) -> bool:
        self._number = (self._number + 1) & 0xFFFF
        length = size - self._family.overhead
        packet = echo.request(self._family, self._identifier, self._number, length)
        try:
            self._opened.sendto(packet, self._target)
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return False
            if error.errno not in _LOST:
                raise
            return True
        waiting[self._number] = size
        return True


def _search(asker: _Asker) -> Outcome:
    first = asker.ask([asker.smallest, asker.wanted])
    full = first[asker.wanted]
    sent = TRIES if full >= 0 else 0
    if full > 0:
        return Outcome(sent, full, asker.wanted)
    if first[asker.smallest] <= 0:
        return Outcome(sent, 0)
    low, high = asker.smallest, asker.wanted
    while tried := sizes.between(low, high):
        came = asker.ask(tried)
        low, high = sizes.narrowed(low, high, {s for s in tried if came[s] > 0}, tried)
    return Outcome(sent, 0, low, high)
