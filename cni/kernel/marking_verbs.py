"""The verbs of a namespace for marks that expire, by nftables."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from cni.kernel import netlink, nft_listing, nft_marking, nft_messages
from cni.kernel.marking import Marking
from cni.kernel.nft_marking import FAMILY_OF, words
from cni.kernel.nft_messages import Request
from cni.kernel.settling import settled
from cni.kernel.types import KernelError, Network

T = TypeVar("T")


class MarkingVerbs(ABC):
    """What a namespace of the running kernel does with marks."""

    @abstractmethod
    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        """Work in a thread that is in the namespace."""

    def has_marking(self, marking: Marking) -> bool:
        """`nft list ruleset`, compared."""
        with suppress(_GoneError):
            return self._is_as_made(marking)
        return False

    def set_marking(self, marking: Marking) -> None:
        """`nft -f`, of a file that replaces the tables."""
        requests = nft_marking.replace_requests(marking, self._versions(marking.table))
        verb = words("add table", marking.table)
        try:
            self._commit(verb, requests)
        except _GoneError as error:
            # All that it is about is in the batch, but for kinds of chains and of expressions.
            reason = "the kernel has not all of nftables that it needs"
            raise KernelError(verb, errno.EOPNOTSUPP, reason) from error

    def remove_marking(self, table: str) -> None:
        """`nft delete table ip TABLE`, and `ip6`."""
        if versions := self._versions(table):
            requests = nft_marking.remove_requests(table, versions)
            self._commit(words("delete table", table), requests)

    def marked(self, table: str) -> Mapping[Network, float]:
        """`nft list set` of each."""
        found: dict[Network, float] = {}
        with suppress(_GoneError):
            for version, length in self._sets(table):
                request = nft_listing.elements_request(FAMILY_OF[version], table, length)
                found |= nft_listing.elements(self._listed(request), length)
            return found
        return {}

    def mark(self, table: str, networks: Mapping[Network, float]) -> None:
        """`nft add element` of each, in one transaction."""
        if networks:
            verb = words("add element", table, networks)
            self._commit(verb, nft_marking.mark_requests(table, networks))

    def unmark(self, table: str, networks: Collection[Network]) -> None:
        """`nft delete element` of each, in one transaction."""
        with suppress(_GoneError):
            sets = set(self._sets(table)) if networks else set()
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

    def _tables(self, table: str) -> dict[int, int]:
        """Return the versions that have a table of this name, and its flags."""
        return nft_listing.tables(self._listed(nft_messages.dump(nft_messages.GET_TABLE)), table)

    def _versions(self, table: str) -> list[int]:
        return sorted(self._tables(table))

    def _sets(self, table: str) -> list[tuple[int, int]]:
        """Return version and prefix length of the sets that there are."""
        return [
            (version, length)
            for version in self._versions(table)
            for length in nft_listing.lengths(
                self._listed(
                    nft_listing.request(nft_messages.GET_SET, FAMILY_OF[version], table)
                ),
                table,
            )
        ]  # fmt: skip

    def _listed(self, request: bytes) -> list[bytes]:
        def ask() -> list[bytes]:
            return netlink.ask(netlink.NETFILTER, request)

        verb = "nft list ruleset"
        try:
            return settled(verb, lambda: self._run(ask))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise _refusal(verb, error) from error
            # To the rest of netfilter, each of nftables' requests is invalid.
            raise KernelError(verb, errno.EOPNOTSUPP, "the kernel has no nftables") from error

    def _commit(self, verb: str, requests: Sequence[Request]) -> None:
        def commit() -> None:
            with netlink.open_asker(netlink.NETFILTER) as asker:
                netlink.commit(asker, nft_messages.batch(requests))

        try:
            self._run(commit)
        except OSError as error:
            raise _refusal(verb, error) from error


class _GoneError(KernelError):
    """The table, or a set of it, is not there."""


def _refusal(verb: str, error: OSError) -> KernelError:
    """Return the error that says what nftables refused."""
    if isinstance(error, KernelError):
        return error
    kind = _GoneError if error.errno == errno.ENOENT else KernelError
    return kind.of(verb, error)
