"""The announcements, octet by octet, read without the code that made them."""

from __future__ import annotations

import errno
import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.kernel import frames

MAC = "02:00:00:00:00:aa"
OCTETS = bytes.fromhex("0200000000aa")


def test_a_gratuitous_arp_request() -> None:
    frame = frames.announcement(MAC, IPv4Address("10.60.4.210"))

    assert frame == bytes.fromhex(
        """
        ff ff ff ff ff ff  02 00 00 00 00 aa  08 06
        00 01  08 00  06  04  00 01
        02 00 00 00 00 aa  0a 3c 04 d2
        00 00 00 00 00 00  0a 3c 04 d2
        """
        + "00" * 18
    )


def test_an_unsolicited_neighbour_advertisement() -> None:
    address = IPv6Address("fd00:60::4d2")
    frame = frames.announcement(MAC, address)

    destination, source, ethertype = struct.unpack_from("!6s6sH", frame)
    assert (destination, source, ethertype) == (bytes.fromhex("333300000001"), OCTETS, 0x86DD)
    first, length, following, hops, sender, receiver = struct.unpack_from("!IHBB16s16s", frame, 14)
    assert (first >> 28, length, following, hops) == (6, 32, 58, 255)
    assert sender == address.packed
    assert receiver == IPv6Address("ff02::1").packed
    kind, code, _, flags, target = struct.unpack_from("!BBHI16s", frame, 54)
    assert (kind, code, flags) == (136, 0, 0x20000000)
    assert target == address.packed
    assert frame[78:] == bytes.fromhex("0201") + OCTETS


@given(st.ip_addresses(v=6, network="2000::/3"))
def test_the_sum_over_pseudo_header_and_message_is_right(address: IPv6Address) -> None:
    frame = frames.announcement(MAC, address)

    words = struct.unpack("!16H", frame[22:54]) + struct.unpack("!16H", frame[54:])
    total = sum(words) + 32 + 58
    while total > 0xFFFF:
        total = (total >> 16) + (total & 0xFFFF)
    assert total == 0xFFFF


@pytest.mark.parametrize("address", ["224.0.0.1", "127.0.0.1", "ff02::1", "::", "::1"])
def test_an_address_that_nobody_has(address: str) -> None:
    with pytest.raises(OSError, match=address) as refusal:
        frames.announcement(MAC, ip_address(address))
    assert refusal.value.errno == errno.EADDRNOTAVAIL


@pytest.mark.parametrize("mac", ["", "00:11:22:33", ":".join(["00"] * 20)])
def test_a_mac_that_is_not_ethernets(mac: str) -> None:
    with pytest.raises(OSError, match="no Ethernet address") as refusal:
        frames.announcement(mac, IPv4Address("10.60.4.210"))
    assert refusal.value.errno == errno.EOPNOTSUPP
