"""Routes as rtnetlink tells them.

By hand, as links are (`link_messages`): an ADD reads several tables of them, and a host may have
thousands.  Source: the kernel's rtnetlink.h.  Pure.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from cni.kernel import messages, netlink
from cni.kernel.types import Address, Network, Route

_RTMSG = struct.Struct("=8BI")
_NEXTHOP = struct.Struct("=HBBi")
_NUMBER = struct.Struct("=I")
_FAMILY = struct.Struct("=H")

_DST, _OIF, _GATEWAY, _PRIORITY, _PREFSRC, _METRICS, _MULTIPATH = 1, 4, 5, 6, 7, 8, 9
_TABLE, _VIA = 15, 18
_MTU, _ADVMSS = 2, 8
_CLONED = 0x200
_RTM_GETROUTE = 26
_WIDTHS = {socket.AF_INET: 4, socket.AF_INET6: 16}
"""Octets of an address."""


def routes(body: bytes) -> Iterator[Route]:
    """Read the nexthops of RTM_NEWROUTE; a route that leaves by no link has one of index 0.

    A cached clone has none: it goes with the route that it was cloned from.  Nor have the routes of
    other families.
    """
    head = _RTMSG.unpack_from(body)
    if head[0] not in _WIDTHS or head[8] & _CLONED:
        return
    stated = dict(netlink.attributes(body, _RTMSG.size))
    nexthops = stated.get(_MULTIPATH, b"")
    if not nexthops:
        yield _route(head, stated, stated, _number(stated, _OIF))
    offset = 0
    while offset + _NEXTHOP.size <= len(nexthops):
        length, _, _, index = _NEXTHOP.unpack_from(nexthops, offset)
        if length < _NEXTHOP.size:
            return
        own = nexthops[offset : offset + length]
        yield _route(head, stated, dict(netlink.attributes(own, _NEXTHOP.size)), index)
        offset += length + -length % 4


def way_request(destination: Address) -> bytes:
    """`ip route get DESTINATION`."""
    family = messages.family(destination)
    head = _RTMSG.pack(family, destination.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
    body = head + netlink.attribute(_DST, destination.packed)
    return netlink.message(_RTM_GETROUTE, netlink.ACK, body)


def way(body: bytes) -> Route:
    """Read the answer to `ip route get`, which is a clone of one nexthop."""
    stated = dict(netlink.attributes(body, _RTMSG.size))
    return _route(_RTMSG.unpack_from(body), stated, stated, _number(stated, _OIF))


def _route(
    head: tuple[int, ...], stated: Mapping[int, bytes], nexthop: Mapping[int, bytes], index: int
) -> Route:
    family, length, _, _, table, protocol, scope, kind, _ = head
    metrics = dict(netlink.attributes(stated.get(_METRICS, b"")))
    source = stated.get(_PREFSRC)
    return Route(
        dst=_network(family, stated.get(_DST), length),
        index=index,
        gateway=_gateway(nexthop),
        table=_number(stated, _TABLE) or table,
        priority=_number(stated, _PRIORITY),
        source=_address(source) if source else None,
        mtu=_number(metrics, _MTU),
        advmss=_number(metrics, _ADVMSS),
        scope=scope,
        protocol=protocol,
        kind=kind,
    )


def _gateway(nexthop: Mapping[int, bytes]) -> Address | None:
    if via := nexthop.get(_VIA):
        (family,) = _FAMILY.unpack_from(via)
        # It fills its room: a struct with the widest of addresses.
        return _address(via[_FAMILY.size : _FAMILY.size + _WIDTHS[family]])
    gateway = nexthop.get(_GATEWAY)
    return _address(gateway) if gateway else None


def _network(family: int, prefix: bytes | None, length: int) -> Network:
    number = int.from_bytes(prefix or b"", "big")
    if family == socket.AF_INET:
        return IPv4Network((number, length))
    return IPv6Network((number, length))


def _address(octets: bytes) -> Address:
    kind = IPv4Address if len(octets) == _WIDTHS[socket.AF_INET] else IPv6Address
    return kind(octets)


def _number(stated: Mapping[int, bytes], kind: int) -> int:
    value = stated.get(kind)
    return int(_NUMBER.unpack(value)[0]) if value else 0
