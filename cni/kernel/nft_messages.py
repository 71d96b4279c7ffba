"""nftables' requests and tables, as nfnetlink says them.

Source: the kernel's nfnetlink.h, nf_tables.h and netfilter.h.  Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cni.kernel import netlink
from cni.kernel import nft_attributes as nfta

NEW_TABLE, GET_TABLE, DELETE_TABLE = 0, 1, 2
NEW_CHAIN, GET_CHAIN = 3, 4
NEW_RULE, GET_RULE = 6, 7
NEW_SET, GET_SET = 9, 10
NEW_ELEMENT, GET_ELEMENT, DELETE_ELEMENT = 12, 13, 14
"""NFT_MSG_*."""
UNSPECIFIED, IP, IP6 = 0, 2, 10
"""NFPROTO_*."""

_SUBSYSTEM = 10
_BATCH_BEGIN, _BATCH_END = 16, 17
_NFGENMSG = struct.Struct("!BBH")
_NUMBER = struct.Struct("!I")
_FORWARD = 2
_DROP = 0
_FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}


@dataclass(frozen=True, slots=True)
class Request:
    """One of those that are done together."""

    kind: int
    family: int
    attributes: bytes
    flags: int = 0
    """NLM_F_*, beside NLM_F_REQUEST."""


def batch(requests: Sequence[Request]) -> bytes:
    """Return requests for `netlink.commit` (`nft -f`)."""
    begin, end = (
        netlink.message(kind, 0, _NFGENMSG.pack(UNSPECIFIED, 0, _SUBSYSTEM))
        for kind in (_BATCH_BEGIN, _BATCH_END)
    )
    *others, last = requests
    return b"".join(
        (begin, *(_message(one, one.flags) for one in others),
         _message(last, last.flags | netlink.ACK), end)
    )  # fmt: skip


def dump(kind: int, family: int = UNSPECIFIED, attributes: bytes = b"") -> bytes:
    """`nft list …`, of one family or of all."""
    return _message(Request(kind, family, attributes), netlink.DUMP)


def read(body: bytes) -> tuple[int, dict[int, bytes]]:
    """Return the family and the attributes of an answer."""
    return body[0], dict(netlink.attributes(body[_NFGENMSG.size :]))


def text(kind: int, value: str) -> bytes:
    """Return an attribute that is a name."""
    return netlink.attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """Return an attribute of four bytes."""
    return netlink.attribute(kind, as_four(value))


def nested(kind: int, *attributes: bytes) -> bytes:
    """Return an attribute that holds attributes."""
    return netlink.attribute(netlink.NESTED | kind, b"".join(attributes))


def as_four(value: int) -> bytes:
    """Return a number as the kernel's u32 or s32."""
    return _NUMBER.pack(value & 0xFFFF_FFFF)


def as_text(value: bytes) -> str:
    """Read a name."""
    return value.rstrip(b"\0").decode(errors="replace")


def as_number(value: bytes) -> int:
    """Read four bytes, or more."""
    return int.from_bytes(value, "big")


def chains_request() -> bytes:
    """`nft list chains`."""
    return dump(GET_CHAIN)


def dropping_forward(body: bytes) -> str:
    """Return `FAMILY TABLE CHAIN` of a chain that drops what is forwarded, empty for any other."""
    family, stated = read(body)
    hook = dict(netlink.attributes(stated.get(nfta.CHAIN_HOOK, b"")))
    forwards = hook.get(nfta.HOOK_HOOKNUM) == as_four(_FORWARD)
    if family not in _FAMILIES or not forwards or stated.get(nfta.CHAIN_POLICY) != as_four(_DROP):
        return ""
    return " ".join(
        (_FAMILIES[family], as_text(stated[nfta.TABLE]), as_text(stated[nfta.CHAIN_NAME]))
    )


def _message(request: Request, flags: int) -> bytes:
    body = _NFGENMSG.pack(request.family, 0, 0) + request.attributes
    return netlink.message(_SUBSYSTEM << 8 | request.kind, flags, body)
