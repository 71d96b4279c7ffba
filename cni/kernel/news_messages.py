"""What a notification of rtnetlink is news of.

Source: the kernel's rtnetlink.h and neighbour.h.  Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from cni.kernel import netlink
from cni.kernel.watching import News

GROUPS = (1, 3, 5, 7, 8, 9, 11, 19)
"""RTNLGRP_LINK, NEIGH, IPV4_IFADDR, IPV4_ROUTE, IPV4_RULE, IPV6_IFADDR, IPV6_ROUTE, IPV6_RULE."""
_NEWS = {
    16: News.LINK,
    17: News.LINK,
    20: News.ADDRESS,
    21: News.ADDRESS,
    24: News.ROUTE,
    25: News.ROUTE,
    32: News.RULE,
    33: News.RULE,
}
_RTM_NEWNEIGH, _RTM_DELNEIGH, _RTM_GETNEIGH = 28, 29, 30
_NDMSG = struct.Struct("=BxxxiHBB")
_AF_BRIDGE = 7
_NDA_DST = 1
_NUD_PERMANENT = 0x80


def neighbours_request() -> bytes:
    """`ip neighbour show nud all`, of both families and all links."""
    return netlink.message(_RTM_GETNEIGH, netlink.DUMP, bytes(_NDMSG.size))


class Reader:
    """Tells news from what happens all the time: neighbours that are asked for, and forgotten.

    It remembers which neighbours are permanent: of one that is removed, the kernel no longer says.
    """

    def __init__(self) -> None:
        self._permanent: set[tuple[int, bytes]] = set()

    def remember(self, found: Iterable[bytes]) -> None:
        """Take the neighbours that there are now, and no others."""
        self._permanent.clear()
        for body in found:
            self._neighbour(_RTM_NEWNEIGH, body)

    def read(self, data: bytes) -> set[News]:
        """Return what has changed by some notifications."""
        found = set()
        for kind, _, _, body in netlink.split(data):
            if kind in _NEWS:
                found.add(_NEWS[kind])
            elif kind in {_RTM_NEWNEIGH, _RTM_DELNEIGH} and self._neighbour(kind, body):
                found.add(News.NEIGHBOUR)
        return found

    def _neighbour(self, kind: int, body: bytes) -> bool:
        """Return whether it is about a permanent one, or about where a tunnel leads."""
        family, index, state, _, _ = _NDMSG.unpack_from(body)
        address = dict(netlink.attributes(body, _NDMSG.size, {_NDA_DST})).get(_NDA_DST)
        if address is None:
            return False
        if family == _AF_BRIDGE:
            return True
        was = (index, address) in self._permanent
        self._permanent.discard((index, address))
        if kind == _RTM_NEWNEIGH and state & _NUD_PERMANENT:
            self._permanent.add((index, address))
            return True
        return was
