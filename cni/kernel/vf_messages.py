"""What a PF imposes on a VF, as rtnetlink and iproute2 say it.

Source: the kernel's if_link.h, from IFLA_VF_INFO on.  Pure.
"""

from __future__ import annotations

import struct
from typing import Any

from cni.kernel import netlink
from cni.kernel.functions import LinkState, VfRate, VfSettings, VfVlan, VlanProto

_RTM_GETLINK, _RTM_SETLINK = 18, 19
_RTEXT_FILTER_VF, _RTEXT_FILTER_SKIP_STATS = 0x1, 0x8
_IFLA_VFINFO_LIST, _IFLA_EXT_MASK = 22, 29
_IFLA_VF_INFO = 1
_MAC, _VLAN, _SPOOFCHK, _LINK_STATE, _RATE, _TRUST, _VLAN_LIST = 1, 2, 4, 5, 6, 9, 12
_VLAN_INFO = 1

_IFINFOMSG = struct.Struct("=BxHiII")
# Each struct begins with the VF's number.  That of a VLAN with protocol ends in two bytes of
# padding, without which the kernel answers EINVAL: pyroute2 leaves them out.
_NUMBER = struct.Struct("=I")
_NUMBER_AND_MAC = struct.Struct("=I32s")
_NUMBER_AND_ONE = struct.Struct("=II")
_NUMBER_AND_TWO = struct.Struct("=III")
_NUMBER_AND_VLAN = struct.Struct("=III2s2x")

_MAC_LENGTH = 6
_NOT_STATED = 0xFFFF_FFFF
_LINK_STATES: tuple[LinkState, ...] = ("auto", "enable", "disable")
_8021AD = (0x88A8).to_bytes(2, "big")


def show_request(index: int) -> bytes:
    """Return RTM_GETLINK of a PF's link, with its VFs."""
    mask = _NUMBER.pack(_RTEXT_FILTER_VF | _RTEXT_FILTER_SKIP_STATS)
    body = _ifinfomsg(index) + netlink.attribute(_IFLA_EXT_MASK, mask)
    return netlink.message(_RTM_GETLINK, netlink.ACK, body)


def set_request(index: int, number: int, settings: VfSettings) -> bytes:
    """Return RTM_SETLINK of a PF's link, with what is stated for one of its VFs.

    Args:
        index: of the PF's link.
        number: of the VF among the PF's.
        settings: what to impose.
    """
    info = netlink.attribute(_IFLA_VF_INFO, _attributes(number, settings))
    body = _ifinfomsg(index) + netlink.attribute(_IFLA_VFINFO_LIST, info)
    return netlink.message(_RTM_SETLINK, netlink.ACK, body)


def settings(body: bytes, number: int) -> VfSettings | None:
    """Read one VF out of RTM_NEWLINK, None when the link has no such VF."""
    link = dict(netlink.attributes(body[_IFINFOMSG.size :]))
    for _, info in netlink.attributes(link.get(_IFLA_VFINFO_LIST, b"")):
        stated = dict(netlink.attributes(info))
        # The kernel leaves out a VF that the driver knows nothing of: the position says nothing.
        if _MAC in stated and _NUMBER.unpack_from(stated[_MAC])[0] == number:
            return _settings(stated)
    return None


def words(settings: VfSettings) -> str:
    """Return what is stated the way `ip link set dev PF vf N` is told."""
    said: list[str] = []
    if settings.mac is not None:
        said.append(f"mac {settings.mac}")
    if settings.vlan is not None:
        vlan = settings.vlan
        said.append(f"vlan {vlan.id} qos {vlan.qos} proto {vlan.proto}")
    if settings.spoofchk is not None:
        said.append(f"spoofchk {_on_off(settings.spoofchk)}")
    if settings.trust is not None:
        said.append(f"trust {_on_off(settings.trust)}")
    if settings.link_state is not None:
        said.append(f"state {settings.link_state}")
    if settings.rate is not None:
        said.append(f"min_tx_rate {settings.rate.min} max_tx_rate {settings.rate.max}")
    return " ".join(said)


def _attributes(number: int, settings: VfSettings) -> bytes:
    said = b""
    if settings.mac is not None:
        octets = bytes.fromhex(settings.mac.replace(":", ""))
        said += netlink.attribute(_MAC, _NUMBER_AND_MAC.pack(number, octets))
    if settings.vlan is not None:
        said += _vlan_attribute(number, settings.vlan)
    if settings.spoofchk is not None:
        said += _one(_SPOOFCHK, number, int(settings.spoofchk))
    if settings.trust is not None:
        said += _one(_TRUST, number, int(settings.trust))
    if settings.link_state is not None:
        said += _one(_LINK_STATE, number, _LINK_STATES.index(settings.link_state))
    if settings.rate is not None:
        rate = _NUMBER_AND_TWO.pack(number, settings.rate.min, settings.rate.max)
        said += netlink.attribute(_RATE, rate)
    return said


def _vlan_attribute(number: int, vlan: VfVlan) -> bytes:
    """Return the VLAN as iproute2 does: in a list only where the older form cannot say it."""
    if vlan.proto == "802.1q":
        return netlink.attribute(_VLAN, _NUMBER_AND_TWO.pack(number, vlan.id, vlan.qos))
    info = _NUMBER_AND_VLAN.pack(number, vlan.id, vlan.qos, _8021AD)
    return netlink.attribute(_VLAN_LIST, netlink.attribute(_VLAN_INFO, info))


def _settings(stated: dict[int, bytes]) -> VfSettings:
    rate = _fields(_NUMBER_AND_TWO, stated.get(_RATE))
    octets = stated[_MAC][_NUMBER.size : _NUMBER.size + _MAC_LENGTH]
    return VfSettings(
        mac=octets.hex(":"),
        vlan=_vlan(stated),
        spoofchk=_flag(stated.get(_SPOOFCHK)),
        trust=_flag(stated.get(_TRUST)),
        link_state=dict(enumerate(_LINK_STATES)).get(_value(stated.get(_LINK_STATE))),
        rate=VfRate(*rate[1:]) if rate else None,
    )


def _vlan(stated: dict[int, bytes]) -> VfVlan | None:
    for _, info in netlink.attributes(stated.get(_VLAN_LIST, b"")):
        if fields := _fields(_NUMBER_AND_VLAN, info):
            _, vlan, qos, ethertype = fields
            proto: VlanProto = "802.1ad" if ethertype == _8021AD else "802.1q"
            return VfVlan(vlan, qos, proto)
    plain = _fields(_NUMBER_AND_TWO, stated.get(_VLAN))
    return VfVlan(*plain[1:]) if plain else None


def _flag(payload: bytes | None) -> bool | None:
    value = _value(payload)
    return None if value == _NOT_STATED else bool(value)


def _value(payload: bytes | None) -> int:
    fields = _fields(_NUMBER_AND_ONE, payload)
    return int(fields[1]) if fields else _NOT_STATED


def _fields(form: struct.Struct, payload: bytes | None) -> tuple[Any, ...]:
    """Return the fields of a struct that may have grown since; none where it is not stated."""
    return form.unpack_from(payload) if payload and len(payload) >= form.size else ()


def _one(kind: int, number: int, value: int) -> bytes:
    return netlink.attribute(kind, _NUMBER_AND_ONE.pack(number, value))


def _ifinfomsg(index: int) -> bytes:
    return _IFINFOMSG.pack(0, 0, index, 0, 0)


def _on_off(setting: bool) -> str:  # noqa: FBT001 - a value, not a mode
    return "on" if setting else "off"
