"""What rtnetlink says of a bond, beside what it says of every link.

Source: the kernel's if_link.h, IFLA_BOND_*.  Pure.
"""

from __future__ import annotations

import struct

from cni.kernel import netlink
from cni.kernel.adapters import Bond

_IFINFOMSG = struct.Struct("=BxHiII")
_LINKINFO = 18
_INFO_KIND, _INFO_DATA = 1, 2
_MODE, _AD_INFO = 1, 23
_NUM_PORTS, _PARTNER_MAC = 2, 5
_U16 = struct.Struct("=H")


def bond(body: bytes) -> Bond | None:
    """Read a link, as `link_messages.show_request` asks for it; None for what is no bond."""
    stated = dict(netlink.attributes(body, _IFINFOMSG.size, {_LINKINFO}))
    info = dict(netlink.attributes(stated.get(_LINKINFO, b"")))
    if info.get(_INFO_KIND, b"").rstrip(b"\0") != b"bond":
        return None
    data = dict(netlink.attributes(info.get(_INFO_DATA, b"")))
    active = dict(netlink.attributes(data.get(_AD_INFO, b"")))
    ports, partner = active.get(_NUM_PORTS), active.get(_PARTNER_MAC, b"")
    return Bond(
        mode=data[_MODE][0] if _MODE in data else 0,
        ports=_U16.unpack(ports)[0] if ports else 0,
        partner=partner.hex(":") if any(partner) else "",
    )
