"""Radios as generic netlink says them.

Source: the kernel's genetlink.h and nl80211.h; an attribute's type is a number of the latter.
Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from cni.kernel import netlink
from cni.kernel.adapters import Radio

_CONTROLLER = 16
"""GENL_ID_CTRL, the one family whose number is fixed."""
_CTRL_CMD_GETFAMILY = 3
_CTRL_FAMILY_ID, _CTRL_FAMILY_NAME = 1, 2
_FAMILY = "nl80211"
_HEADER = struct.Struct("=BBxx")
_VERSION = 1

_GET_INTERFACE, _GET_STATION, _GET_POWER_SAVE = 5, 17, 62
_IFINDEX, _IFTYPE, _MAC, _STA_INFO, _WIPHY_FREQ, _SSID, _PS_STATE = 3, 5, 6, 21, 38, 52, 93
_STATION = 2
"""NL80211_IFTYPE_STATION: one that joins an access point, and is none."""
_SIGNAL, _TX_BITRATE, _SIGNAL_AVERAGE = 7, 8, 13
_BITRATE, _BITRATE32 = 1, 5
_PER_MBIT = 10
"""The kernel counts in 100 kbit/s."""
_U16, _U32, _S8 = struct.Struct("=H"), struct.Struct("=I"), struct.Struct("=b")


def family_request() -> bytes:
    """`genl ctrl get name nl80211`."""
    name = netlink.attribute(_CTRL_FAMILY_NAME, _FAMILY.encode() + b"\0")
    return netlink.message(
        _CONTROLLER, netlink.ACK, _HEADER.pack(_CTRL_CMD_GETFAMILY, _VERSION) + name
    )


def family(body: bytes) -> int:
    """Return the number of nl80211, which each boot may choose anew."""
    stated = dict(netlink.attributes(body, _HEADER.size))
    return int(_U16.unpack(stated[_CTRL_FAMILY_ID])[0])


def interface_request(family: int, index: int) -> bytes:
    """`iw dev X info`."""
    return _request(family, _GET_INTERFACE, index, netlink.ACK)


def power_save_request(family: int, index: int) -> bytes:
    """`iw dev X get power_save`."""
    return _request(family, _GET_POWER_SAVE, index, netlink.ACK)


def stations_request(family: int, index: int) -> bytes:
    """`iw dev X station dump`."""
    return _request(family, _GET_STATION, index, netlink.DUMP)


def is_station(interface: bytes) -> bool:
    """Return whether an interface is one that joins an access point."""
    return _stated(interface).get(_IFTYPE) == _U32.pack(_STATION)


def power_save(body: bytes) -> bool | None:
    """Read the answer to `power_save_request`."""
    state = _stated(body).get(_PS_STATE)
    return None if state is None else state != _U32.pack(0)


def radio(interface: bytes, access_point: bytes | None, *, power_save: bool | None) -> Radio:
    """Return a radio.

    Args:
        interface: the answer to `interface_request`.
        access_point: that to `stations_request` by a station which has joined one.
        power_save: what `power_save` has read.
    """
    stated = _stated(interface)
    joined = _stated(access_point) if access_point else {}
    told = dict(netlink.attributes(joined.get(_STA_INFO, b"")))
    frequency = stated.get(_WIPHY_FREQ)
    signal = told.get(_SIGNAL_AVERAGE) or told.get(_SIGNAL)
    return Radio(
        power_save=power_save,
        signal=_S8.unpack(signal)[0] if signal else None,
        bitrate=_rate(dict(netlink.attributes(told.get(_TX_BITRATE, b"")))),
        frequency=_U32.unpack(frequency)[0] if frequency else None,
        # Any bytes are a name; most are UTF-8.
        ssid=stated.get(_SSID, b"").decode(errors="replace"),
        bssid=joined.get(_MAC, b"").hex(":"),
    )


def _request(family: int, command: int, index: int, flags: int) -> bytes:
    which = netlink.attribute(_IFINDEX, _U32.pack(index))
    return netlink.message(family, flags, _HEADER.pack(command, _VERSION) + which)


def _stated(body: bytes) -> Mapping[int, bytes]:
    return dict(netlink.attributes(body, _HEADER.size))


def _rate(told: Mapping[int, bytes]) -> float | None:
    # The short one is missing above 6.5 Gbit/s, the long one before Linux 3.9.
    if long := told.get(_BITRATE32):
        return float(_U32.unpack(long)[0]) / _PER_MBIT
    if short := told.get(_BITRATE):
        return float(_U16.unpack(short)[0]) / _PER_MBIT
    return None
