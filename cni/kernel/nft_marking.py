"""The table that marks, as nftables' requests.

    table ip NAME {
        set prefix24 { type ipv4_addr; flags timeout; }
        chain prerouting {
            type filter hook prerouting priority -50; policy accept;
            ip saddr & 255.255.255.0 == 10.42.0.0
                ip daddr & 255.255.255.0 @prefix24 counter meta mark set meta mark | 0x40
        }
        chain output {
            type route hook output priority -50; policy accept;
            (the same)
        }
    }

and `ip6` likewise: of family `inet` there is no `type route` before Linux 5.2.  After the
translation of destinations (-100), so that a Service's packet is judged by its pod's address, and
before that of sources (100): by whom it is from, and not by what it is masqueraded as.

Source: the kernel's nf_tables.h.  Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cni.kernel import nft_expressions, nft_tables
from cni.kernel.marking import SHORTEST, Marking
from cni.kernel.nft_expressions import Expression
from cni.kernel.nft_messages import Request
from cni.kernel.nft_tables import ADD, DELETE, FAMILY_NAMES, KEY_TYPES, LENGTHS, Chain
from cni.kernel.types import Network

STEM = "prefix"
"""What the names of the sets begin with, before the prefix length."""
_PRIORITY = -50
CHAINS = (
    Chain("prerouting", "filter", nft_tables.PREROUTING, _PRIORITY),
    Chain("output", "route", nft_tables.OUTPUT, _PRIORITY),
)
_SOURCES, _DESTINATIONS = {4: 12, 6: 8}, {4: 16, 6: 24}
"""Where it is in a packet's header, in bytes."""
_WHOLE_MARK = 0xFFFF_FFFF
_MARK = struct.Struct("=I")


def replace_requests(marking: Marking, found: Iterable[int]) -> list[Request]:
    """`nft -f`, of a file that deletes the tables that are there and then makes them.

    Args:
        marking: what is to be there.
        found: the versions that have a table of the name.
    """
    table = marking.table
    versions = sorted({version for version, _ in marking.sizes})
    requests = nft_tables.remove_requests(table, sorted({*versions, *found}))
    for version in versions:
        requests.append(nft_tables.add_table(version, table))
        requests += [chain.request(version, table) for chain in CHAINS]
        sizes = lengths(marking, version)
        key = KEY_TYPES[version], LENGTHS[version]
        requests += [
            nft_tables.add_set(version, table, set_name(length), identity, key)
            for identity, length in enumerate(sizes, 1)
        ]
        requests += [
            nft_tables.add_rule(version, table, chain.name, rule)
            for chain in CHAINS
            for rule in rules(marking, version)
        ]
    return requests


def mark_requests(table: str, networks: Mapping[Network, float]) -> list[Request]:
    """`nft add element`, `delete element` and `add element` of each.

    An element that exists keeps its time before Linux 6.12, and whether it still does, nobody knows
    beforehand.
    """
    return list(_element_requests(table, networks, (ADD, DELETE, ADD)))


def unmark_requests(table: str, networks: Iterable[Network]) -> list[Request]:
    """`nft add element` and `delete element` of each."""
    return list(_element_requests(table, dict.fromkeys(networks, SHORTEST), (ADD, DELETE)))


def lengths(marking: Marking, version: int) -> list[int]:
    """Return the prefix lengths that one version has a set for."""
    return sorted(length for of, length in marking.sizes if of == version)


def set_name(length: int) -> str:
    """Return the name of the set for one prefix length."""
    return f"{STEM}{length}"


def rules(marking: Marking, version: int) -> list[list[Expression]]:
    """Return what each chain of one version says: a rule for each source and prefix length."""
    sources = sorted(source for source in marking.sources if source.version == version)
    return [
        expressions(source, length, marking.mark)
        for source in sources
        for length in lengths(marking, version)
    ]


def expressions(source: Network, length: int, mark: int) -> list[Expression]:
    """Return a rule: `ip saddr SOURCE ip daddr & MASK @prefixN counter meta mark set …`."""
    version = source.version
    return [
        _load(version, _SOURCES),
        *nft_tables.cut(version, source.prefixlen),
        nft_expressions.equals(source.network_address.packed),
        _load(version, _DESTINATIONS),
        *nft_tables.cut(version, length),
        nft_expressions.is_in(set_name(length)),
        nft_expressions.count(),
        nft_expressions.load_meta(nft_expressions.META_MARK),
        nft_expressions.bitwise(_MARK.pack(~mark & _WHOLE_MARK), _MARK.pack(mark)),
        nft_expressions.set_meta(nft_expressions.META_MARK),
    ]


def _load(version: int, places: Mapping[int, int]) -> Expression:
    """Return `ip saddr` or `ip daddr`."""
    return nft_expressions.load_payload(
        nft_expressions.NETWORK_HEADER, places[version], LENGTHS[version]
    )


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
    place = f"{FAMILY_NAMES[first.version]} {table} {set_name(first.prefixlen)}"
    return f"nft {verb} {place} {{ {first.network_address} }}{more}"


def _element_requests(
    table: str, networks: Mapping[Network, float], verbs: Sequence[tuple[int, int]]
) -> Iterator[Request]:
    """Yield these verbs for each set's part of some networks."""
    parts: dict[tuple[int, int], list[tuple[bytes, float]]] = {}
    for network, seconds in networks.items():
        size = network.version, network.prefixlen
        parts.setdefault(size, []).append((network.network_address.packed, seconds))
    for (version, length), elements in parts.items():
        yield from nft_tables.element_requests(version, table, set_name(length), elements, verbs)
