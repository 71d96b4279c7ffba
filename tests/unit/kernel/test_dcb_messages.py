"""Data Center Bridging, out of bytes as the kernel's structures have them."""

from __future__ import annotations

import struct

from cni.kernel import dcb_messages, netlink
from cni.kernel.adapters import Bridging

# struct ieee_pfc: pfc_cap, pfc_en, mbc, delay, requests[8], indications[8]
PFC = struct.pack("@BBBH8Q8Q", 8, 0b0000_1001, 0, 0, *range(16))
# struct ieee_ets: willing, ets_cap, cbs, and seven rows of eight
ETS = bytes((
    0, 8, 0,
    50, 0, 0, 50, 0, 0, 0, 0,  # tc_tx_bw
    1, 1, 1, 1, 1, 1, 1, 1,  # tc_rx_bw
    2, 0, 0, 2, 0, 0, 0, 0,  # tc_tsa
    0, 0, 0, 3, 0, 0, 0, 7,  # prio_tc
    *[9] * 24,
))  # fmt: skip


def app(selector: int, priority: int, number: int) -> bytes:
    return netlink.attribute(1, struct.pack("=BBH", selector, priority, number))


def answer(*ieee: bytes) -> bytes:
    name = netlink.attribute(1, b"ens1f0\0")
    return struct.pack("=BBH", 0, 21, 0) + name + netlink.attribute(13, b"".join(ieee))


def test_a_port_that_keeps_one_priority_lossless() -> None:
    table = app(5, 3, 26) + app(5, 6, 48) + app(1, 3, 0x8915)  # the last is an EtherType
    told = answer(
        netlink.attribute(1, ETS), netlink.attribute(2, PFC),
        netlink.attribute(3 | netlink.NESTED, table),
    )  # fmt: skip
    assert dcb_messages.bridging(told) == Bridging(
        lossless=frozenset({0, 3}),
        classes=(0, 0, 0, 3, 0, 0, 0, 7),
        shares=(50, 0, 0, 50, 0, 0, 0, 0),
        dscp={26: 3, 48: 6},
    )


def test_a_driver_that_tells_nothing_of_it() -> None:
    assert dcb_messages.bridging(answer()) == Bridging()


def test_a_request_names_the_device() -> None:
    length, kind, flags, *_ = struct.unpack_from("=IHHII", request := dcb_messages.request("ens1"))
    assert (length, kind, flags) == (len(request), 78, netlink.REQUEST | netlink.ACK)
    assert request[16:20] == bytes([0, 21, 0, 0])
    assert netlink.attributes(request, 20) == [(1, b"ens1\0")]
