"""What counts as an answer to who has an address."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.kernel import frames
from cni.kernel.solicitation import answer

OWN, THEIRS = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
HERE, THERE = IPv4Address("192.168.1.10"), IPv4Address("192.168.1.11")
HERE6, THERE6 = IPv6Address("fd00:1::10"), IPv6Address("fd00:1::11")


def reply(operation: int = 2, to: bytes = OWN, sender: bytes = THEIRS) -> bytes:
    fields = (1, 0x0800, 6, 4, operation, sender, THERE.packed, to, HERE.packed)
    return to + sender + b"\x08\x06" + struct.pack("!HHBBH6s4s6s4s", *fields)


def test_an_arp_reply_to_us() -> None:
    assert answer(reply(), OWN) == (THERE, "02:00:00:00:00:02")


@pytest.mark.parametrize(
    "frame",
    [
        reply(operation=1),
        reply(to=b"\xff" * 6),
        reply(to=THEIRS),
        reply(sender=OWN),
        reply()[:30],
        frames.gratuitous_arp(THEIRS, THERE),
        frames.neighbour_solicitation(THEIRS, THERE6, HERE6),
        b"",
    ],
)
def test_what_is_none(frame: bytes) -> None:
    assert answer(frame, OWN) is None


def test_a_neighbour_advertisement() -> None:
    frame = frames.unsolicited_advertisement(THEIRS, THERE6)
    assert answer(frame, OWN) == (THERE6, "02:00:00:00:00:02")


def test_a_solicitation_goes_to_the_targets_group() -> None:
    frame = frames.neighbour_solicitation(OWN, HERE6, THERE6)
    assert frame[:6].hex(":") == "33:33:ff:00:00:11"
    assert ip_address(frame[38:54]) == IPv6Address("ff02::1:ff00:11")
    pseudo = frame[22:54] + struct.pack("!II", 32, 58)
    assert frames.checksum(pseudo + frame[54:86]) == 0


@given(st.binary(max_size=120))
def test_any_bytes_are_read(frame: bytes) -> None:
    answer(frame, OWN)
