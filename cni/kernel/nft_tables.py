"""What a table of ours is made of, as nftables' requests: chains, and sets that forget by time.

There is a table of the name for each version, of the families `ip` and `ip6`, and in it a set for
each prefix length: of networks, whose addresses are masked before they are looked up.  None of
intervals: those lose elements with a time on older kernels.

Source: the kernel's nf_tables.h.  Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cni.kernel import netlink, nft_expressions, nft_messages
from cni.kernel import nft_attributes as nfta
from cni.kernel.marking import SHORTEST
from cni.kernel.netlink import attribute
from cni.kernel.nft_expressions import Expression
from cni.kernel.nft_messages import Request, nested, number, text

FAMILY_OF = {4: nft_messages.IP, 6: nft_messages.IP6}
"""Of the table for each version."""
FAMILY_NAMES = {4: "ip", 6: "ip6"}
LENGTHS = {4: 4, 6: 16}
"""Of an address, in bytes."""
KEY_TYPES = {4: 7, 6: 8}
"""What nft(8) calls ipv4_addr and ipv6_addr; the kernel only keeps it."""
PREROUTING, OUTPUT = 0, 3
"""NF_INET_*."""
ACCEPT = 1
WITH_TIMEOUT = 0x10
CREATE, APPEND = netlink.CREATE, 0x800
ADD, DELETE = (nft_messages.NEW_ELEMENT, CREATE), (nft_messages.DELETE_ELEMENT, 0)
"""What is done with elements."""
_ALL_ONES = 2**128 - 1
_MILLISECONDS = struct.Struct("!Q")
_MOST_AT_ONCE = 1000
"""Elements in one list, whose length in bytes has sixteen bits."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One that the kernel calls."""

    name: str
    kind: str
    """`filter` or `route`."""
    hook: int
    priority: int

    def request(self, version: int, table: str) -> Request:
        """`nft add chain FAMILY TABLE NAME { type KIND hook … priority …; policy accept; }`."""
        place = nested(
            nfta.CHAIN_HOOK,
            number(nfta.HOOK_HOOKNUM, self.hook),
            number(nfta.HOOK_PRIORITY, self.priority),
        )
        body = (
            text(nfta.TABLE, table)
            + text(nfta.CHAIN_NAME, self.name)
            + place
            + number(nfta.CHAIN_POLICY, ACCEPT)
            + text(nfta.CHAIN_TYPE, self.kind)
        )
        return Request(nft_messages.NEW_CHAIN, FAMILY_OF[version], body, CREATE)


def add_table(version: int, table: str) -> Request:
    """`nft add table FAMILY TABLE`."""
    name = text(nfta.TABLE, table)
    return Request(nft_messages.NEW_TABLE, FAMILY_OF[version], name, CREATE)


def remove_requests(table: str, versions: Iterable[int]) -> list[Request]:
    """`nft add table X; nft delete table X`: no error when somebody else was quicker."""
    return [
        request
        for version in versions
        for request in (
            add_table(version, table),
            Request(nft_messages.DELETE_TABLE, FAMILY_OF[version], text(nfta.TABLE, table)),
        )
    ]


def add_set(
    version: int, table: str, name: str, identity: int, key: tuple[int, int]
) -> Request:  # fmt: skip
    """`nft add set FAMILY TABLE NAME { type …; flags timeout; }`.

    Args:
        version: of the table.
        table: its name.
        name: the set's.
        identity: a number that no other set of this batch and table has.
        key: its type, which only nft(8) reads, and its length in bytes.
    """
    kind, length = key
    body = b"".join((
        text(nfta.TABLE, table),
        text(nfta.SET_NAME, name),
        number(nfta.SET_FLAGS, WITH_TIMEOUT),
        number(nfta.SET_KEY_TYPE, kind),
        number(nfta.SET_KEY_LEN, length),
        number(nfta.SET_ID, identity),
    ))  # fmt: skip
    return Request(nft_messages.NEW_SET, FAMILY_OF[version], body, CREATE)


def add_rule(version: int, table: str, chain: str, steps: Iterable[Expression]) -> Request:
    """`nft add rule FAMILY TABLE CHAIN …`."""
    body = text(nfta.TABLE, table) + text(nfta.RULE_CHAIN, chain) + nft_expressions.rule(steps)
    return Request(nft_messages.NEW_RULE, FAMILY_OF[version], body, CREATE | APPEND)


def element_requests(
    version: int,
    table: str,
    name: str,
    elements: Sequence[tuple[bytes, float]],
    verbs: Sequence[tuple[int, int]] = (ADD,),
) -> Iterator[Request]:
    """Yield these verbs for elements of one set.

    Args:
        version: of the table.
        table: its name.
        name: the set's.
        elements: their keys, each with its seconds; less than `SHORTEST` counts as that.
        verbs: `ADD` and `DELETE`, one after the other.
    """
    for start in range(0, len(elements), _MOST_AT_ONCE):
        listed = [_element(*one) for one in elements[start : start + _MOST_AT_ONCE]]
        body = b"".join((
            text(nfta.TABLE, table), text(nfta.SET_ELEM_LIST_SET, name),
            nested(nfta.SET_ELEM_LIST_ELEMENTS, *listed),
        ))  # fmt: skip
        for kind, flags in verbs:
            yield Request(kind, FAMILY_OF[version], body, flags)


def cut(version: int, length: int, register: int = nft_expressions.REGISTER) -> list[Expression]:
    """Return `& MASK` of an address in a register; nothing for one that is whole."""
    size = LENGTHS[version]
    if length == 8 * size:
        return []
    mask = (_ALL_ONES << 8 * size - length & _ALL_ONES).to_bytes(16, "big")[-size:]
    return [nft_expressions.bitwise(mask, bytes(size), register)]


def _element(key: bytes, seconds: float) -> bytes:
    milliseconds = _MILLISECONDS.pack(round(max(seconds, SHORTEST) * 1000))
    return nested(
        nfta.LIST_ELEM,
        nested(nfta.SET_ELEM_KEY, attribute(nfta.DATA_VALUE, key)),
        attribute(nfta.SET_ELEM_TIMEOUT, milliseconds),
    )
