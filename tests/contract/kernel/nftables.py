"""Tables and chains of nftables, made without a program: the machine may have no `nft`."""

from __future__ import annotations

import socket
import struct

from cni.kernel.netlink import ACK, CREATE, NESTED, NETFILTER, attribute, exchange, message

_BATCH_BEGIN, _BATCH_END = 16, 17
_SUBSYSTEM = 10
_NEW_TABLE, _NEW_CHAIN, _DELETE_RULE = 0, 3, 8
_INET, IP, IP6 = 1, 2, 10
_FORWARD = 2


def nft(request: bytes) -> None:
    """Send one request, as a batch, in the calling thread's namespace."""
    begin, end = (
        struct.pack("=IHHII", 20, kind, 1, 0, 0) + struct.pack("!BBH", 0, 0, _SUBSYSTEM)
        for kind in (_BATCH_BEGIN, _BATCH_END)
    )
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as asker:
        asker.settimeout(5)
        exchange(asker, begin + request + end)


def nft_table(name: str) -> bytes:
    """`nft add table inet NAME`."""
    return _request(_NEW_TABLE, _text(1, name))


def nft_chain(table: str, name: str, *, drop: bool) -> bytes:
    """`nft add chain inet TABLE NAME { type filter hook forward priority 0; policy …; }`."""
    hook = _number(1, _FORWARD) + _number(2, 0)
    body = _text(1, table) + _text(3, name) + attribute(NESTED | 4, hook)
    return _request(_NEW_CHAIN, body + _number(5, 0 if drop else 1) + _text(7, "filter"))


def nft_flush(family: int, table: str, chain: str) -> bytes:
    """`nft flush chain FAMILY TABLE CHAIN`."""
    return _request(_DELETE_RULE, _text(1, table) + _text(2, chain), family)


def _request(kind: int, attributes: bytes, family: int = _INET) -> bytes:
    header = struct.pack("!BBH", family, 0, 0)
    return message(_SUBSYSTEM << 8 | kind, ACK | CREATE, header + attributes)


def _text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!I", value))
