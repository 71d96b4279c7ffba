"""The table that guards, as nftables' requests, and read in what nftables lists.

    table ip NAME {
        set guarded24 { type iface_index . ipv4_addr; flags timeout; }
        set allowed24 { type iface_index . ipv4_addr . ether_addr; flags timeout; }
        chain prerouting {
            type filter hook prerouting priority -300; policy accept;
            meta iiftype ether
                iif . ip saddr & 255.255.255.0 @guarded24
                iif . ip saddr & 255.255.255.0 . ether saddr != @allowed24
                counter drop
        }
    }

and `ip6` likewise.  It is a rule for each prefix length, however many links there are.

Source: the kernel's nf_tables.h.  Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address, ip_network

from cni.kernel import frames, nft_expressions, nft_tables
from cni.kernel.guarding import Origin
from cni.kernel.nft_expressions import NARROW, NARROW_REGISTER, Expression
from cni.kernel.nft_messages import Request
from cni.kernel.nft_tables import KEY_TYPES, LENGTHS, Chain
from cni.kernel.types import Network

GUARDED, ALLOWED = "guarded", "allowed"
"""What the names of the sets begin with, before the prefix length."""
_CHAIN = Chain("prerouting", "filter", nft_tables.PREROUTING, -300)
_SOURCES = {4: 12, 6: 8}
"""Where it is in a packet's header, in bytes."""
_MAC_AT, _MAC = 6, 6
"""Where the sender's is in an Ethernet header, and its length, in bytes."""
_ETHERNET = struct.pack("=H", 1)
"""ARPHRD_ETHER."""
_INDEX = struct.Struct("=I")
_INDEX_TYPE, _MAC_TYPE = 20, 9
"""What nft(8) calls iface_index and ether_addr; each part of a key has so many bits:"""
_TYPE_BITS = 6
_LONGER = 1.0
"""Seconds that who is let in outlasts what is guarded: in the end nobody is kept out."""


def replace_requests(
    table: str, origins: Mapping[Network, Origin], seconds: float, found: Iterable[int]
) -> list[Request]:
    """`nft -f`, of a file that deletes the tables that are there and then makes them.

    Args:
        table: its name.
        origins: what is to be guarded.
        seconds: for how long.
        found: the versions that have a table of the name.

    Raises:
        OSError: EOPNOTSUPP for a MAC that is none of Ethernet's.
    """
    parts: dict[tuple[int, int], list[tuple[bytes, bytes]]] = {}
    for network, origin in origins.items():
        place = _INDEX.pack(origin.index) + network.network_address.packed
        sender = place + _in_registers(frames.octets(origin.mac))
        parts.setdefault((network.version, network.prefixlen), []).append((place, sender))
    versions = {version for version, _ in parts}
    requests = nft_tables.remove_requests(table, sorted({*versions, *found}))
    for version in sorted(versions):
        requests.append(nft_tables.add_table(version, table))
        requests.append(_CHAIN.request(version, table))
    for identity, ((version, length), keys) in enumerate(parts.items()):
        requests += _add_sets(version, table, length, 2 * identity + 1)
        steps = expressions(version, length)
        requests.append(nft_tables.add_rule(version, table, _CHAIN.name, steps))
        for stem, elements in (
            (GUARDED, [(place, seconds) for place, _ in keys]),
            (ALLOWED, [(sender, seconds + _LONGER) for _, sender in keys]),
        ):
            requests += nft_tables.element_requests(version, table, f"{stem}{length}", elements)
    return requests


def expressions(version: int, length: int) -> list[Expression]:
    """Return the steps of the rule for one prefix length."""
    index, address = NARROW_REGISTER, NARROW_REGISTER + 1
    mac = address + LENGTHS[version] // NARROW
    network, link = nft_expressions.NETWORK_HEADER, nft_expressions.LINK_HEADER
    return [
        nft_expressions.load_meta(nft_expressions.META_IIFTYPE),
        nft_expressions.equals(_ETHERNET),
        nft_expressions.load_meta(nft_expressions.META_IIF, index),
        nft_expressions.load_payload(network, _SOURCES[version], LENGTHS[version], address),
        *nft_tables.cut(version, length, address),
        nft_expressions.is_in(f"{GUARDED}{length}", index),
        nft_expressions.load_payload(link, _MAC_AT, _MAC, mac),
        nft_expressions.is_not_in(f"{ALLOWED}{length}", index),
        nft_expressions.count(),
        nft_expressions.drop(),
    ]


def origins(
    version: int, length: int, guarded: Iterable[bytes], allowed: Iterable[bytes]
) -> Iterator[tuple[Network, Origin]]:
    """Yield what is guarded, of the keys that two sets have."""
    places, end = set(guarded), _INDEX.size + LENGTHS[version]
    for key in allowed:
        if key[:end] in places:
            (index,) = _INDEX.unpack_from(key)
            address = ip_address(key[_INDEX.size : end])
            mac = key[end : end + _MAC].hex(":")
            yield ip_network((address, length)), Origin(index, mac)


def _add_sets(version: int, table: str, length: int, identity: int) -> Iterator[Request]:
    kind = _INDEX_TYPE << _TYPE_BITS | KEY_TYPES[version]
    size = _INDEX.size + LENGTHS[version]
    keys = {
        GUARDED: (kind, size),
        ALLOWED: (kind << _TYPE_BITS | _MAC_TYPE, size + len(_in_registers(bytes(_MAC)))),
    }
    for number, (stem, key) in enumerate(keys.items(), identity):
        yield nft_tables.add_set(version, table, f"{stem}{length}", number, key)


def _in_registers(value: bytes) -> bytes:
    """Return a value as registers hold it, the last of them filled up with zeros."""
    return value + bytes(-len(value) % NARROW)
