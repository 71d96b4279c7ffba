"""Bonds, out of links as rtnetlink describes them."""

from __future__ import annotations

import struct

from cni.kernel import bond_messages, netlink
from cni.kernel.adapters import LACP, Bond

PARTNER = bytes.fromhex("0200000000aa")


def link(kind: bytes, data: bytes = b"") -> bytes:
    info = netlink.attribute(1, kind + b"\0") + netlink.attribute(2, data)
    header = struct.pack("=BxHiII", 0, 1, 7, 0x1, 0)
    return header + netlink.attribute(3, b"bond0\0") + netlink.attribute(18, info)


def aggregator(partner: bytes) -> bytes:
    words = netlink.attribute(1, struct.pack("=H", 1)) + netlink.attribute(2, struct.pack("=H", 2))
    return netlink.attribute(23, words + netlink.attribute(5, partner))


def test_a_bond_that_a_switch_has_agreed_to() -> None:
    data = netlink.attribute(1, bytes([LACP])) + aggregator(PARTNER)
    found = bond_messages.bond(link(b"bond", data))
    assert found == Bond(LACP, ports=2, partner="02:00:00:00:00:aa")


def test_a_partner_of_zeros_is_none() -> None:
    data = netlink.attribute(1, bytes([LACP])) + aggregator(bytes(6))
    assert bond_messages.bond(link(b"bond", data)) == Bond(LACP, ports=2, partner="")


def test_a_bond_without_lacp_has_neither_ports_nor_partner() -> None:
    assert bond_messages.bond(link(b"bond", netlink.attribute(1, bytes([1])))) == Bond(1)


def test_what_is_no_bond() -> None:
    assert bond_messages.bond(link(b"bridge")) is None
    assert bond_messages.bond(struct.pack("=BxHiII", 0, 1, 7, 0x1, 0)) is None
