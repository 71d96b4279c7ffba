"""What is asked for a VF, byte by byte, and what is read out of a PF's link."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest

from cni.kernel import vf_messages
from cni.kernel.functions import VfRate, VfSettings, VfVlan

INDEX, NUMBER = 3, 3
EXT_MASK, VFINFO_LIST, VF_INFO = 29, 22, 1
NOT_STATED = 0xFFFF_FFFF

IFINFOMSG = struct.pack("=BBHiII", 0, 0, 0, INDEX, 0, 0)

# `ip link set dev … vf 3 …` of iproute2 6.1, as it left for the kernel, behind the header.
SENT_BY_IPROUTE2 = {
    "mac 02:00:00:00:60:01": (
        VfSettings(mac="02:00:00:00:60:01"),
        "30001600 2c000100 28000100 03000000 020000006001" + 26 * "00",
    ),
    "vlan 100 qos 3 proto 802.1q": (
        VfSettings(vlan=VfVlan(100, 3)),
        "18001600 14000100 10000200 03000000 64000000 03000000",
    ),
    "vlan 100 qos 3 proto 802.1ad": (
        VfSettings(vlan=VfVlan(100, 3, "802.1ad")),
        "20001600 1c000100 18000c00 14000100 03000000 64000000 03000000 88a80000",
    ),
    "spoofchk on": (
        VfSettings(spoofchk=True),
        "14001600 10000100 0c000400 03000000 01000000",
    ),
    "trust off": (
        VfSettings(trust=False),
        "14001600 10000100 0c000900 03000000 00000000",
    ),
    "state auto": (
        VfSettings(link_state="auto"),
        "14001600 10000100 0c000500 03000000 00000000",
    ),
    "state enable": (
        VfSettings(link_state="enable"),
        "14001600 10000100 0c000500 03000000 01000000",
    ),
    "state disable": (
        VfSettings(link_state="disable"),
        "14001600 10000100 0c000500 03000000 02000000",
    ),
    "min_tx_rate 10 max_tx_rate 100": (
        VfSettings(rate=VfRate(10, 100)),
        "18001600 14000100 10000600 03000000 0a000000 64000000",
    ),
}


def attribute(kind: int, *payload: bytes) -> bytes:
    body = b"".join(payload)
    return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)


def link(*vfs: Iterable[bytes]) -> bytes:
    """Return the body of RTM_NEWLINK."""
    infos = [attribute(VF_INFO, *vf) for vf in vfs]
    return IFINFOMSG + attribute(3, b"ens1f0\0") + attribute(VFINFO_LIST, *infos)


def vf(number: int, *, flag: int = 1, state: int = 0, vlan: bytes = b"") -> list[bytes]:
    """Return what Linux 6.12 states of one VF, as rtnl_fill_vfinfo does."""
    mac = bytes.fromhex("0200000060") + bytes([number])
    vlan = vlan or struct.pack("=III", number, 100, 3) + b"\x88\xa8\0\0"
    return [
        attribute(1, struct.pack("=I32s", number, mac)),
        attribute(13, b"\xff" * 32),
        attribute(2, struct.pack("=III", number, 100, 3)),
        attribute(6, struct.pack("=III", number, 10, 200)),
        attribute(3, struct.pack("=II", number, 200)),
        attribute(4, struct.pack("=II", number, flag)),
        attribute(5, struct.pack("=II", number, state)),
        attribute(7, struct.pack("=II", number, NOT_STATED)),
        attribute(9, struct.pack("=II", number, flag)),
        attribute(0x8000 | 12, attribute(1, vlan)),
    ]


@pytest.mark.parametrize("words", SENT_BY_IPROUTE2)
def test_a_request_is_what_iproute2_sends(words: str) -> None:
    settings, sent = SENT_BY_IPROUTE2[words]
    request = vf_messages.set_request(INDEX, NUMBER, settings)
    expected = IFINFOMSG + bytes.fromhex(sent)

    assert request[16:] == expected
    # RTM_SETLINK, which unlike iproute2's RTM_NEWLINK makes no link; REQUEST | ACK.
    assert request[:8] == struct.pack("=IHH", 16 + len(expected), 19, 0x5)
    assert vf_messages.words(settings) == words


def test_a_vlan_with_protocol_has_the_kernels_size() -> None:
    request = vf_messages.set_request(3, 9, VfSettings(vlan=VfVlan(7, 1, "802.1ad")))

    info = attribute(1, struct.pack("=III", 9, 7, 1) + struct.pack(">H", 0x88A8) + b"\0\0")
    assert len(info) == 4 + 16  # sizeof(struct ifla_vf_vlan_info)
    assert request.endswith(attribute(12, info))


def test_the_vfs_are_asked_for_without_statistics() -> None:
    expected = IFINFOMSG + attribute(EXT_MASK, struct.pack("=I", 0x1 | 0x8))

    request = vf_messages.show_request(INDEX)
    assert request[16:] == expected
    assert request[:8] == struct.pack("=IHH", 16 + len(expected), 18, 0x5)


def test_everything_is_read() -> None:
    assert vf_messages.settings(link(vf(0), vf(1, state=2)), 1) == VfSettings(
        mac="02:00:00:00:60:01",
        vlan=VfVlan(100, 3, "802.1ad"),
        spoofchk=True,
        trust=True,
        link_state="disable",
        rate=VfRate(10, 200),
    )


@pytest.mark.parametrize(("flag", "setting"), [(0, False), (1, True), (NOT_STATED, None)])
def test_what_the_driver_does_not_say_is_not_stated(
    flag: int,
    setting: bool | None,  # noqa: FBT001 - a table's column
) -> None:
    found = vf_messages.settings(link(vf(0, flag=flag)), 0)

    assert found
    assert found.spoofchk is found.trust is setting


@pytest.mark.parametrize(
    ("state", "name"), [(0, "auto"), (1, "enable"), (2, "disable"), (3, None), (NOT_STATED, None)]
)
def test_link_states(state: int, name: str | None) -> None:
    found = vf_messages.settings(link(vf(0, state=state)), 0)

    assert found
    assert found.link_state == name


def test_the_ordinary_vlan_protocol() -> None:
    ordinary = struct.pack("=III", 0, 5, 0) + b"\x81\0\0\0"
    found = vf_messages.settings(link(vf(0, vlan=ordinary)), 0)

    assert found
    assert found.vlan == VfVlan(5, 0, "802.1q")


def test_an_older_kernel_states_less() -> None:
    mac = attribute(1, struct.pack("=I32s", 0, bytes.fromhex("020000006000")))
    vlan = attribute(2, struct.pack("=III", 0, 100, 3))

    assert vf_messages.settings(link([mac, vlan]), 0) == VfSettings(
        mac="02:00:00:00:60:00", vlan=VfVlan(100, 3)
    )
    assert vf_messages.settings(link([mac]), 0) == VfSettings(mac="02:00:00:00:60:00")


def test_a_vf_is_known_by_its_number_and_not_by_its_position() -> None:
    found = vf_messages.settings(link(vf(4), vf(6)), 6)

    assert found
    assert found.mac == "02:00:00:00:60:06"


@pytest.mark.parametrize("body", [link(vf(0), vf(1)), link(), IFINFOMSG, link([b""])])
def test_there_is_no_such_vf(body: bytes) -> None:
    assert vf_messages.settings(body, 2) is None


def test_the_words_of_several_properties() -> None:
    several = VfSettings(spoofchk=False, trust=True, rate=VfRate(0, 5))

    assert vf_messages.words(several) == "spoofchk off trust on min_tx_rate 0 max_tx_rate 5"
    assert [vf_messages.words(one) for one in several.each()] == [
        "spoofchk off",
        "trust on",
        "min_tx_rate 0 max_tx_rate 5",
    ]
