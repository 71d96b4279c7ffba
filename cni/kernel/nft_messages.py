"""nftables' chains, as nfnetlink says them.

Source: the kernel's nfnetlink.h, nf_tables.h and netfilter.h.  Pure.
"""

from __future__ import annotations

import struct

from cni.kernel import netlink

_NFT_MSG_GETCHAIN = 10 << 8 | 4
_NFGENMSG = struct.Struct("!BBH")
_NUMBER = struct.Struct("!I")
_TABLE, _NAME, _HOOK, _POLICY = 1, 3, 4, 5
_HOOK_NUMBER = 1
_FORWARD = 2
_DROP = 0
_FAMILIES = {1: "inet", 2: "ip", 10: "ip6"}


def chains_request() -> bytes:
    """`nft list chains`."""
    return netlink.message(_NFT_MSG_GETCHAIN, netlink.DUMP, _NFGENMSG.pack(0, 0, 0))


def dropping_forward(body: bytes) -> str:
    """Return `FAMILY TABLE CHAIN` of a chain that drops what is forwarded, empty for any other."""
    family, _, _ = _NFGENMSG.unpack_from(body)
    stated = dict(netlink.attributes(body[_NFGENMSG.size :]))
    hook = dict(netlink.attributes(stated.get(_HOOK, b"")))
    forwards = hook.get(_HOOK_NUMBER) == _NUMBER.pack(_FORWARD)
    if family not in _FAMILIES or not forwards or stated.get(_POLICY) != _NUMBER.pack(_DROP):
        return ""
    return " ".join((_FAMILIES[family], _text(stated[_TABLE]), _text(stated[_NAME])))


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")
