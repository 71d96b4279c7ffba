"""Data Center Bridging as rtnetlink says it (dcb(8)).

Source: the kernel's dcbnl.h and `dcbnl_ieee_fill`.  Pure.
"""

from __future__ import annotations

import struct

from cni.kernel import netlink
from cni.kernel.adapters import PRIORITIES, Bridging

_RTM_GETDCB = 78
_IEEE_GET = 21
_DCBMSG = struct.Struct("=BBH")
_IFNAME, _IEEE = 1, 13
_ETS, _PFC, _APP_TABLE = 1, 2, 3
_APP = 1
_ENTRY = struct.Struct("=BBH")
_DSCP = 5
"""IEEE_8021QAZ_APP_SEL_DSCP, the selector of an entry that is about a DSCP."""
_PFC_ENABLED = 1
"""The octet of `struct ieee_pfc` whose bits are the priorities."""
_SHARES, _CLASSES = 3, 3 + 3 * PRIORITIES
"""Where they begin in `struct ieee_ets`: after three octets, and after three rows more."""


def request(device: str) -> bytes:
    """`dcb pfc show dev DEVICE; dcb ets show …; dcb app show …`, in one."""
    body = _DCBMSG.pack(0, _IEEE_GET, 0)
    body += netlink.attribute(_IFNAME, device.encode() + b"\0")
    return netlink.message(_RTM_GETDCB, netlink.ACK, body)


def bridging(body: bytes) -> Bridging:
    """Read the answer."""
    told = dict(netlink.attributes(body, _DCBMSG.size))
    ieee = dict(netlink.attributes(told.get(_IEEE, b"")))
    pfc, ets = ieee.get(_PFC), ieee.get(_ETS)
    return Bridging(
        lossless=_priorities(pfc[_PFC_ENABLED]) if pfc else None,
        classes=tuple(ets[_CLASSES : _CLASSES + PRIORITIES]) if ets else None,
        shares=tuple(ets[_SHARES : _SHARES + PRIORITIES]) if ets else None,
        dscp=_by_dscp(ieee.get(_APP_TABLE, b"")),
    )


def _priorities(bits: int) -> frozenset[int]:
    return frozenset(priority for priority in range(PRIORITIES) if bits >> priority & 1)


def _by_dscp(table: bytes) -> dict[int, int]:
    entries = (
        _ENTRY.unpack_from(entry) for kind, entry in netlink.attributes(table) if kind == _APP
    )
    return {number: priority for selector, priority, number in entries if selector == _DSCP}
