"""What is read of a link that no test can make a kernel have, and what is asked of it."""

from __future__ import annotations

import struct

import pytest

from cni.kernel import link_messages, netlink

ADDRESS, IFNAME, MTU, PROP_LIST, ALT_IFNAME = 1, 3, 4, 52, 53
ETHER, TUNNEL = 1, 768
UP, RUNNING, LOWER_UP = 0x1, 0x40, 0x10000


def body(flags: int = 0, hardware: int = ETHER, **more: bytes) -> bytes:
    """Return RTM_NEWLINK of the link 7."""
    stated = {IFNAME: b"net1\0", MTU: struct.pack("=I", 9000)} | {
        {"address": ADDRESS, "properties": PROP_LIST}[name]: value for name, value in more.items()
    }
    header = struct.pack("=BxHiII", 0, hardware, 7, flags, 0)
    return header + b"".join(netlink.attribute(kind, value) for kind, value in stated.items())


def test_a_link_and_what_is_not_stated_of_it() -> None:
    link = link_messages.link(body(UP, address=b"\x02\0\0\0\0\x0a"))

    assert (link.index, link.name, link.mtu, link.up) == (7, "net1", 9000, True)
    assert (link.mac, link.permanent_mac) == ("02:00:00:00:00:0a", "")
    assert (link.kind, link.master, link.lower, link.lower_netnsid) == ("", 0, 0, None)


def test_a_tunnels_address_is_no_mac() -> None:
    assert link_messages.link(body(hardware=TUNNEL, address=b"\0\1\2\3")).mac == ""


@pytest.mark.parametrize(
    ("flags", "carrier"),
    [(UP, False), (UP | LOWER_UP, False), (UP | RUNNING, False), (UP | LOWER_UP | RUNNING, True)],
)
def test_there_is_carrier_once_frames_are_no_longer_dropped(
    flags: int,
    carrier: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert link_messages.link(body(flags)).carrier is carrier


def test_only_altnames_are_read_of_the_properties() -> None:
    properties = netlink.attribute(ALT_IFNAME, b"enp3s0\0") + netlink.attribute(99, b"other\0")
    assert link_messages.link(body(properties=properties)).altnames == ("enp3s0",)


@pytest.mark.parametrize(("name", "kind"), [("x" * 15, IFNAME), ("x" * 16, ALT_IFNAME)])
def test_a_name_that_is_too_long_can_only_be_an_altname(name: str, kind: int) -> None:
    request = link_messages.show_request(name=name)
    assert netlink.attribute(kind, name.encode() + b"\0") in request
