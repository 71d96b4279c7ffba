"""The table that marks, as nftables' requests, and recognised in what nftables lists.

    table ip NAME {
        set prefix24 { type ipv4_addr; flags timeout; }
        chain prerouting {
            type filter hook prerouting priority -50; policy accept;
            ip daddr & 255.255.255.0 @prefix24 counter meta mark set meta mark | 0x40
        }
        chain output {
            type route hook output priority -50; policy accept;
            (the same)
        }
    }

and `ip6` likewise: of family `inet` there is no `type route` before Linux 5.2.  A set for each
prefix length, and none of intervals: those lose elements with a time on older kernels.  After the
translation of destinations (-100), so that a Service's packet is judged by its pod's address.

Source: the kernel's nf_tables.h.  Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from cni.kernel import netlink, nft_messages
from cni.kernel import nft_attributes as nfta
from cni.kernel.marking import SHORTEST, Marking
from cni.kernel.netlink import attribute
from cni.kernel.nft_messages import Request, nested, number, text
from cni.kernel.types import Network

FAMILY_OF = {4: nft_messages.IP, 6: nft_messages.IP6}
"""Of the table for each version."""
_FAMILY_NAMES = {4: "ip", 6: "ip6"}
_CREATE, _APPEND = netlink.CREATE, 0x800
ACCEPT = 1
_PREROUTING, _OUTPUT = 0, 3
PRIORITY = -50
CHAINS = {"prerouting": ("filter", _PREROUTING), "output": ("route", _OUTPUT)}
WITH_TIMEOUT = 0x10
_KEY_TYPES = {4: 7, 6: 8}
"""What nft(8) calls ipv4_addr and ipv6_addr; the kernel only keeps it."""
LENGTHS, _OFFSETS = {4: 4, 6: 16}, {4: 16, 6: 24}
"""Of the destination in a packet's header, in bytes."""
_REGISTER = 1
_NETWORK_HEADER = 1
_META_MARK = 3
_WHOLE_MARK = 0xFFFF_FFFF
_ALL_ONES = 2**128 - 1
_MARK = struct.Struct("=I")
_MILLISECONDS = struct.Struct("!Q")
_MOST_AT_ONCE = 1000
"""Elements in one list, whose length in bytes has sixteen bits."""


@dataclass(frozen=True, slots=True)
class Expression:
    """One step of a rule, by the number of each attribute."""

    name: str
    attributes: Mapping[int, bytes] = field(default_factory=dict)


def replace_requests(marking: Marking, found: Iterable[int]) -> list[Request]:
    """`nft -f`, of a file that deletes the tables that are there and then makes them.

    Args:
        marking: what is to be there.
        found: the versions that have a table of the name.
    """
    versions = sorted({version for version, _ in marking.sizes})
    requests = remove_requests(marking.table, sorted({*versions, *found}))
    for version in versions:
        family, table = FAMILY_OF[version], text(nfta.TABLE, marking.table)
        requests.append(Request(nft_messages.NEW_TABLE, family, table, _CREATE))
        requests += [
            Request(nft_messages.NEW_CHAIN, family, table + _chain(name), _CREATE)
            for name in CHAINS
        ]
        sizes = lengths(marking, version)
        for identity, length in enumerate(sizes, 1):
            body = table + _set(version, length) + number(nfta.SET_ID, identity)
            requests.append(Request(nft_messages.NEW_SET, family, body, _CREATE))
        for name in CHAINS:
            for length in sizes:
                body = table + text(nfta.RULE_CHAIN, name) + _rule(version, length, marking.mark)
                requests.append(Request(nft_messages.NEW_RULE, family, body, _CREATE | _APPEND))
    return requests


def remove_requests(table: str, versions: Iterable[int]) -> list[Request]:
    """`nft add table X; nft delete table X`: no error when somebody else was quicker."""
    return [
        Request(kind, FAMILY_OF[version], text(nfta.TABLE, table), flags)
        for version in versions
        for kind, flags in ((nft_messages.NEW_TABLE, _CREATE), (nft_messages.DELETE_TABLE, 0))
    ]


def mark_requests(table: str, networks: Mapping[Network, float]) -> list[Request]:
    """`nft add element`, `delete element` and `add element` of each.

    An element that exists keeps its time before Linux 6.12, and whether it still does, nobody knows
    beforehand.
    """
    add, delete = (nft_messages.NEW_ELEMENT, _CREATE), (nft_messages.DELETE_ELEMENT, 0)
    return list(_element_requests(table, networks, (add, delete, add)))


def unmark_requests(table: str, networks: Iterable[Network]) -> list[Request]:
    """`nft add element` and `delete element` of each."""
    add, delete = (nft_messages.NEW_ELEMENT, _CREATE), (nft_messages.DELETE_ELEMENT, 0)
    return list(_element_requests(table, dict.fromkeys(networks, SHORTEST), (add, delete)))


def lengths(marking: Marking, version: int) -> list[int]:
    """Return the prefix lengths that one version has a set for."""
    return sorted(length for of, length in marking.sizes if of == version)


def set_name(length: int) -> str:
    """Return the name of the set for one prefix length."""
    return f"prefix{length}"


def expressions(version: int, length: int, mark: int) -> list[Expression]:
    """Return `ip daddr & MASK @prefixN counter meta mark set meta mark | MARK`."""
    size = LENGTHS[version]
    payload = _expression(
        "payload",
        number(nfta.PAYLOAD_DREG, _REGISTER),
        number(nfta.PAYLOAD_BASE, _NETWORK_HEADER),
        number(nfta.PAYLOAD_OFFSET, _OFFSETS[version]),
        number(nfta.PAYLOAD_LEN, size),
    )
    mask = (_ALL_ONES << 8 * size - length & _ALL_ONES).to_bytes(16, "big")[-size:]
    cut = [_bitwise(mask, bytes(size))] if length < 8 * size else []
    lookup = _expression(
        "lookup",
        text(nfta.LOOKUP_SET, set_name(length)),
        number(nfta.LOOKUP_SREG, _REGISTER),
        number(nfta.LOOKUP_FLAGS, 0),
    )
    key = number(nfta.META_KEY, _META_MARK)
    return [
        payload,
        *cut,
        lookup,
        _expression("counter"),
        _expression("meta", number(nfta.META_DREG, _REGISTER), key),
        _bitwise(_MARK.pack(~mark & _WHOLE_MARK), _MARK.pack(mark)),
        _expression("meta", number(nfta.META_SREG, _REGISTER), key),
    ]


def words(verb: str, table: str, networks: Iterable[Network] = ()) -> str:
    """Return a verb the way `nft` is told, for who reads it: with the first network that it is on.

    Args:
        verb: as `add element`.
        table: its name.
        networks: those that it is about.
    """
    named = list(networks)
    if not named:
        return f"nft {verb} {table}"
    first = named[0]
    more = f", and {len(named) - 1} more" if len(named) > 1 else ""
    place = f"{_FAMILY_NAMES[first.version]} {table} prefix{first.prefixlen}"
    return f"nft {verb} {place} {{ {first.network_address} }}{more}"


def _chain(name: str) -> bytes:
    kind, hook = CHAINS[name]
    place = nested(
        nfta.CHAIN_HOOK, number(nfta.HOOK_HOOKNUM, hook), number(nfta.HOOK_PRIORITY, PRIORITY)
    )
    return (
        text(nfta.CHAIN_NAME, name)
        + place
        + number(nfta.CHAIN_POLICY, ACCEPT)
        + text(nfta.CHAIN_TYPE, kind)
    )


def _set(version: int, length: int) -> bytes:
    return b"".join((
        text(nfta.SET_NAME, set_name(length)),
        number(nfta.SET_FLAGS, WITH_TIMEOUT),
        number(nfta.SET_KEY_TYPE, _KEY_TYPES[version]),
        number(nfta.SET_KEY_LEN, LENGTHS[version]),
    ))  # fmt: skip


def _rule(version: int, length: int, mark: int) -> bytes:
    said = (
        nested(
            nfta.LIST_ELEM,
            text(nfta.EXPR_NAME, step.name),
            nested(nfta.EXPR_DATA, *(attribute(*one) for one in step.attributes.items())),
        )
        for step in expressions(version, length, mark)
    )
    return nested(nfta.RULE_EXPRESSIONS, *said)


def _expression(name: str, *attributes: bytes) -> Expression:
    return Expression(name, dict(netlink.attributes(b"".join(attributes))))


def _bitwise(mask: bytes, flip: bytes) -> Expression:
    """Return `& mask ^ flip` of the register."""
    return _expression(
        "bitwise",
        number(nfta.BITWISE_SREG, _REGISTER),
        number(nfta.BITWISE_DREG, _REGISTER),
        number(nfta.BITWISE_LEN, len(mask)),
        attribute(nfta.BITWISE_MASK, attribute(nfta.DATA_VALUE, mask)),
        attribute(nfta.BITWISE_XOR, attribute(nfta.DATA_VALUE, flip)),
    )


def _element_requests(
    table: str, networks: Mapping[Network, float], verbs: Sequence[tuple[int, int]]
) -> Iterator[Request]:
    """Yield these verbs for each set's part of some networks."""
    parts: dict[tuple[int, int], list[Network]] = {}
    for network in networks:
        parts.setdefault((network.version, network.prefixlen), []).append(network)
    for (version, length), members in parts.items():
        for start in range(0, len(members), _MOST_AT_ONCE):
            listed = [
                _element(network, networks[network])
                for network in members[start : start + _MOST_AT_ONCE]
            ]
            body = b"".join((
                text(nfta.TABLE, table), text(nfta.SET_ELEM_LIST_SET, set_name(length)),
                nested(nfta.SET_ELEM_LIST_ELEMENTS, *listed),
            ))  # fmt: skip
            for kind, flags in verbs:
                yield Request(kind, FAMILY_OF[version], body, flags)


def _element(network: Network, seconds: float) -> bytes:
    milliseconds = _MILLISECONDS.pack(round(max(seconds, SHORTEST) * 1000))
    return nested(
        nfta.LIST_ELEM,
        nested(nfta.SET_ELEM_KEY, attribute(nfta.DATA_VALUE, network.network_address.packed)),
        attribute(nfta.SET_ELEM_TIMEOUT, milliseconds),
    )
