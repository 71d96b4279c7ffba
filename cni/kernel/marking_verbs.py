"""The verbs of a namespace for marks that expire, by nftables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from ipaddress import ip_address, ip_network

from cni.kernel import nft_listing, nft_marking, nft_messages
from cni.kernel.marking import Marking
from cni.kernel.nft_marking import words
from cni.kernel.nft_tables import FAMILY_OF
from cni.kernel.nft_verbs import GoneError, NftVerbs
from cni.kernel.types import Network

_STEM = nft_marking.STEM


class MarkingVerbs(NftVerbs):
    """What a namespace of the running kernel does with marks."""

    def has_marking(self, marking: Marking) -> bool:
        """`nft list ruleset`, compared."""
        with suppress(GoneError):
            return self._is_as_made(marking)
        return False

    def set_marking(self, marking: Marking) -> None:
        """`nft -f`, of a file that replaces the tables."""
        requests = nft_marking.replace_requests(marking, self._versions(marking.table))
        self._replace(words("add table", marking.table), requests)

    def remove_marking(self, table: str) -> None:
        """`nft delete table ip TABLE`, and `ip6`."""
        self._remove_tables(table)

    def marked(self, table: str) -> Mapping[Network, float]:
        """`nft list set` of each."""
        found: dict[Network, float] = {}
        with suppress(GoneError):
            for version, length in self._sets(table, _STEM):
                for key, seconds in self._elements(version, table, nft_marking.set_name(length)):
                    found[ip_network((ip_address(key), length))] = seconds
            return found
        return {}

    def mark(self, table: str, networks: Mapping[Network, float]) -> None:
        """`nft add element` of each, in one transaction."""
        if networks:
            verb = words("add element", table, networks)
            self._commit(verb, nft_marking.mark_requests(table, networks))

    def unmark(self, table: str, networks: Collection[Network]) -> None:
        """`nft delete element` of each, in one transaction."""
        with suppress(GoneError):
            sets = set(self._sets(table, _STEM)) if networks else set()
            held = [network for network in networks if (network.version, network.prefixlen) in sets]
            if held:
                verb = words("delete element", table, held)
                self._commit(verb, nft_marking.unmark_requests(table, held))

    def _is_as_made(self, marking: Marking) -> bool:
        table, versions = marking.table, {version for version, _ in marking.sizes}
        # Of flags it has none, and above all it does not sleep.
        if self._tables(table) != dict.fromkeys(versions, 0):
            return False
        for version in versions:
            chains, sets, rules = (
                self._listed(nft_listing.request(kind, FAMILY_OF[version], table))
                for kind in (nft_messages.GET_CHAIN, nft_messages.GET_SET, nft_messages.GET_RULE)
            )
            if not (
                nft_listing.has_chains(chains, marking)
                and nft_listing.has_sets(sets, marking, version)
                and nft_listing.has_rules(rules, marking, version)
            ):
                return False
        return True
