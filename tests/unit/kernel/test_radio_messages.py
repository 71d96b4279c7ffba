"""Questions to nl80211, and its answers; attributes have the numbers of nl80211.h."""

from __future__ import annotations

import struct

from cni.kernel import radio_messages
from cni.kernel.adapters import Radio
from cni.kernel.netlink import NESTED, attribute

FAMILY, INDEX = 0x1C, 3
BSSID = "02:00:00:00:01:00"


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def interface(kind: int, *more: bytes) -> bytes:
    """NL80211_CMD_NEW_INTERFACE of wlan0: its index, its name, its type, and more."""
    head = bytes([7, 1, 0, 0]) + u32(3, INDEX) + attribute(4, b"wlan0\0") + u32(5, kind)
    return head + b"".join(more)


def station(*told: bytes) -> bytes:
    """NL80211_CMD_NEW_STATION of an access point, with some of what is told of it."""
    head = bytes([19, 1, 0, 0]) + u32(3, INDEX) + attribute(6, bytes.fromhex("020000000100"))
    return head + attribute(21 | NESTED, b"".join(told))


def test_the_familys_number_is_asked_for_by_its_name() -> None:
    asked = radio_messages.family_request()
    assert asked[:8] == struct.pack("=IHH", len(asked), 16, 0x5)
    assert asked[16:] == bytes([3, 1, 0, 0]) + struct.pack("=HH", 12, 2) + b"nl80211\0"
    answer = bytes([1, 2, 0, 0]) + attribute(2, b"nl80211\0") + attribute(1, b"\x1c\x00")
    assert radio_messages.family(answer) == FAMILY


def test_what_is_asked_of_a_link() -> None:
    which = struct.pack("=HHI", 8, 3, INDEX)
    for request, command, flags in (
        (radio_messages.interface_request, 5, 0x5),
        (radio_messages.power_save_request, 62, 0x5),
        (radio_messages.stations_request, 17, 0x301),
    ):
        asked = request(FAMILY, INDEX)
        assert asked[:8] == struct.pack("=IHH", 28, FAMILY, flags)
        assert asked[16:] == bytes([command, 1, 0, 0]) + which


def test_a_station_and_its_access_point() -> None:
    shown = interface(2, u32(38, 5180), attribute(52, b"home"))
    # Signal -63 and -60 dBm on the average; 72.2 Mbit/s in the short form, and in the long one.
    rate = attribute(8 | NESTED, attribute(1, struct.pack("=H", 722)) + u32(5, 722))
    told = station(u32(1, 0), attribute(7, b"\xc1"), attribute(13, b"\xc4"), rate)
    assert radio_messages.is_station(shown)
    assert radio_messages.radio(shown, told, power_save=True) == Radio(
        power_save=True, signal=-60, bitrate=72.2, frequency=5180, ssid="home", bssid=BSSID
    )


def test_what_a_driver_does_not_tell() -> None:
    assert radio_messages.radio(interface(2), None, power_save=None) == Radio()
    only = station(attribute(7, b"\xb0"), attribute(8 | NESTED, attribute(1, b"\x36\x00")))
    assert radio_messages.radio(interface(2), only, power_save=False) == Radio(
        power_save=False, signal=-80, bitrate=5.4, bssid=BSSID
    )
    fast = station(attribute(8 | NESTED, u32(5, 120_098)))
    found = radio_messages.radio(interface(2), fast, power_save=None)
    assert (found.signal, found.bitrate) == (None, 12009.8)


def test_an_access_point_is_no_station() -> None:
    assert not radio_messages.is_station(interface(3, attribute(52, b"home")))


def test_power_save() -> None:
    for state, expected in ((1, True), (0, False)):
        assert radio_messages.power_save(bytes([62, 1, 0, 0]) + u32(93, state)) is expected
    assert radio_messages.power_save(bytes([62, 1, 0, 0])) is None


def test_a_name_of_any_bytes() -> None:
    shown = interface(2, attribute(52, "Küche".encode() + b"\xff"))
    assert radio_messages.radio(shown, None, power_save=None).ssid == "Küche\ufffd"
