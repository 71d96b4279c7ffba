"""Links as rtnetlink says them.

By hand and not by pyroute2: an ADD on a busy node reads hundreds of links, and pyroute2 takes ten
times as long over each.  Source: the kernel's if_link.h and rtnetlink.h.  Pure.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from ipaddress import ip_address

from cni.kernel import netlink
from cni.kernel.types import Address, Link

_RTM_NEWLINK, _RTM_GETLINK = 16, 18
_RTM_NEWLINKPROP, _RTM_DELLINKPROP = 108, 109
_RTEXT_FILTER_SKIP_STATS = 8
_IFINFOMSG = struct.Struct("=BxHiII")
_NUMBER = struct.Struct("=I")
_SIGNED = struct.Struct("=i")

_ADDRESS, _IFNAME, _MTU, _LINK, _MASTER = 1, 3, 4, 5, 10
_LINKINFO, _NET_NS_FD, _EXT_MASK, _LINK_NETNSID = 18, 28, 29, 37
_MIN_MTU, _MAX_MTU, _PROP_LIST, _ALT_IFNAME, _PERM_ADDRESS, _PARENT_NAME = 50, 51, 52, 53, 54, 56
_READ = frozenset({
    _ADDRESS, _IFNAME, _MTU, _LINK, _MASTER, _LINKINFO, _LINK_NETNSID, _MIN_MTU, _MAX_MTU,
    _PROP_LIST, _PERM_ADDRESS, _PARENT_NAME,
})  # fmt: skip
"""Of some sixty that the kernel states."""
_INFO_KIND, _INFO_DATA = 1, 2
_VXLAN_LOCAL, _VXLAN_LOCAL6 = 4, 17
_LONGEST_NAME = 15

_ARPHRD_ETHER, _ARPHRD_LOOPBACK = 1, 772
_IFF_UP, _IFF_LOOPBACK = 0x1, 0x8
# RUNNING beside LOWER_UP: only then has the link watch attached the queue, before it frames drop.
_CARRIER = 0x40 | 0x10000


def list_request() -> bytes:
    """`ip -d link show`."""
    body = _IFINFOMSG.pack(0, 0, 0, 0, 0) + _without_statistics()
    return netlink.message(_RTM_GETLINK, netlink.DUMP, body)


def show_request(index: int = 0, name: str = "") -> bytes:
    """`ip -d link show dev NAME`, by index or by name or altname."""
    body = _IFINFOMSG.pack(0, 0, index, 0, 0) + _without_statistics()
    if name:
        # Wherever altnames exist IFLA_IFNAME finds them as well, but only the short ones.
        kind = _ALT_IFNAME if _is_altname(name) else _IFNAME
        body += netlink.attribute(kind, _text(name))
    return netlink.message(_RTM_GETLINK, netlink.ACK, body)


def absent(name: str) -> set[int]:
    """Return the errors that say that no link has a name.

    Before Linux 5.5 none has a longer one, and to ask for one is invalid.
    """
    return {errno.ENODEV, errno.EINVAL} if _is_altname(name) else {errno.ENODEV}


def _is_altname(name: str) -> bool:
    """Return whether a name is too long for any but an altname."""
    return len(name.encode()) > _LONGEST_NAME


def set_request(index: int, attributes: Mapping[int, bytes], *, up: bool | None = None) -> bytes:
    """`ip link set dev X …`.

    Args:
        index: of the link.
        attributes: those of `mtu`, `mac`, `name` and `netns`, merged.
        up: whether to set it up or down; None for neither.
    """
    flags, change = (0, 0) if up is None else (_IFF_UP if up else 0, _IFF_UP)
    body = _IFINFOMSG.pack(0, 0, index, flags, change)
    body += b"".join(netlink.attribute(kind, value) for kind, value in attributes.items())
    return netlink.message(_RTM_NEWLINK, netlink.ACK, body)


def mtu(size: int) -> dict[int, bytes]:
    """`mtu SIZE`, in bytes."""
    return {_MTU: _NUMBER.pack(size)}


def mac(address: str) -> dict[int, bytes]:
    """`address MAC`."""
    return {_ADDRESS: bytes.fromhex(address.replace(":", ""))}


def name(new: str) -> dict[int, bytes]:
    """`name NEW`."""
    return {_IFNAME: _text(new)}


def netns(descriptor: int) -> dict[int, bytes]:
    """`netns N`."""
    return {_NET_NS_FD: _NUMBER.pack(descriptor)}


def altname_request(index: int, altname: str, *, add: bool) -> bytes:
    """`ip link property add|del dev X altname Y`."""
    kind = _RTM_NEWLINKPROP if add else _RTM_DELLINKPROP
    flags = netlink.ACK | (netlink.CREATE | netlink.EXCLUSIVE if add else 0)
    names = netlink.attribute(_ALT_IFNAME, _text(altname))
    listed = netlink.attribute(_PROP_LIST | netlink.NESTED, names)
    return netlink.message(kind, flags, _IFINFOMSG.pack(0, 0, index, 0, 0) + listed)


def link(body: bytes) -> Link:
    """Read RTM_NEWLINK."""
    _, hardware, index, flags, _ = _IFINFOMSG.unpack_from(body)
    stated = dict(netlink.attributes(body, _IFINFOMSG.size, _READ))
    has_mac = hardware in {_ARPHRD_ETHER, _ARPHRD_LOOPBACK}
    info = dict(netlink.attributes(stated.get(_LINKINFO, b"")))
    kind = _read_text(info.get(_INFO_KIND, b""))
    netnsid = stated.get(_LINK_NETNSID)
    return Link(
        index=index,
        name=_read_text(stated[_IFNAME]),
        mac=_read_mac(stated.get(_ADDRESS, b"")) if has_mac else "",
        mtu=_number(stated, _MTU),
        up=bool(flags & _IFF_UP),
        carrier=flags & _CARRIER == _CARRIER,
        kind=kind,
        permanent_mac=_read_mac(stated.get(_PERM_ADDRESS, b"")),
        parent=_read_text(stated.get(_PARENT_NAME, b"")),
        lower=_number(stated, _LINK),
        lower_netnsid=_SIGNED.unpack(netnsid)[0] if netnsid else None,
        master=_number(stated, _MASTER),
        altnames=tuple(
            _read_text(value)
            for kind, value in netlink.attributes(stated.get(_PROP_LIST, b""))
            if kind == _ALT_IFNAME
        ),
        min_mtu=_number(stated, _MIN_MTU),
        max_mtu=_number(stated, _MAX_MTU),
        loopback=bool(flags & _IFF_LOOPBACK),
        local=_local(info.get(_INFO_DATA, b"")) if kind == "vxlan" else None,
    )


def _local(vxlan: bytes) -> Address | None:
    stated = dict(netlink.attributes(vxlan))
    octets = stated.get(_VXLAN_LOCAL) or stated.get(_VXLAN_LOCAL6)
    return ip_address(octets) if octets else None


def _without_statistics() -> bytes:
    return netlink.attribute(_EXT_MASK, _NUMBER.pack(_RTEXT_FILTER_SKIP_STATS))


def _number(stated: Mapping[int, bytes], kind: int) -> int:
    value = stated.get(kind)
    return int(_NUMBER.unpack(value)[0]) if value else 0


def _text(value: str) -> bytes:
    return value.encode() + b"\0"


def _read_text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _read_mac(value: bytes) -> str:
    return value.hex(":")
