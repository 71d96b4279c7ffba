"""Neighbours and tunnels' forwarding entries as rtnetlink says them.

By hand, as links are: a node has a neighbour for each of its pods.  Source: the kernel's
neighbour.h, and `neigh_valid_dump_req` and `valid_fdb_dump_strict` for how a dump is narrowed.
Pure.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

from cni.kernel import netlink
from cni.kernel.types import Forwarding, Neighbour

_RTM_GETNEIGH = 30
_NDMSG = struct.Struct("=BxxxiHBB")
_NUMBER = struct.Struct("=I")
_AF_BRIDGE = 7
_NDA_DST, _NDA_LLADDR, _NDA_IFINDEX = 1, 2, 8
_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80


def neighbours_request(index: int) -> bytes:
    """`ip neighbour show dev X`, of both families."""
    body = _NDMSG.pack(0, 0, 0, 0, 0) + netlink.attribute(_NDA_IFINDEX, _NUMBER.pack(index))
    return netlink.message(_RTM_GETNEIGH, netlink.DUMP, body)


def forwarding_request(index: int) -> bytes:
    """`bridge fdb show dev X`."""
    body = _NDMSG.pack(_AF_BRIDGE, index, 0, 0, 0)
    return netlink.message(_RTM_GETNEIGH, netlink.DUMP, body)


def neighbour(body: bytes, index: int) -> Neighbour | None:
    """Read RTM_NEWNEIGH; None for one of another link, or of whom nobody knows the MAC.

    Groups have one that follows from their address: they are no neighbours.
    """
    _, of, state, _, _ = _NDMSG.unpack_from(body)
    stated = dict(netlink.attributes(body[_NDMSG.size :]))
    if of != index or state & _NUD_NOARP or _NDA_DST not in stated or not stated.get(_NDA_LLADDR):
        return None
    return Neighbour(
        address=ip_address(stated[_NDA_DST]),
        mac=stated[_NDA_LLADDR].hex(":"),
        permanent=bool(state & _NUD_PERMANENT),
    )


def forwarding(body: bytes, index: int) -> Forwarding | None:
    """Read RTM_NEWNEIGH of a bridge's or a tunnel's; None for what leads to no other node."""
    _, of, _, _, _ = _NDMSG.unpack_from(body)
    stated = dict(netlink.attributes(body[_NDMSG.size :]))
    if of != index or _NDA_DST not in stated or _NDA_LLADDR not in stated:
        return None
    return Forwarding(stated[_NDA_LLADDR].hex(":"), ip_address(stated[_NDA_DST]))
