"""What the verbs for nftables have in common: reading tables, and changing them at once."""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TypeVar

from cni.kernel import netlink, nft_listing, nft_messages, nft_tables
from cni.kernel.nft_messages import Request
from cni.kernel.nft_tables import FAMILY_OF
from cni.kernel.settling import settled
from cni.kernel.types import KernelError

T = TypeVar("T")


class GoneError(KernelError):
    """The table, or a set of it, is not there."""


class NftVerbs(ABC):
    """A namespace of the running kernel that has nftables."""

    @abstractmethod
    def _run(self, work: Callable[[], T], *, apart: bool = False) -> T:
        """Work in a thread that is in the namespace."""

    def _tables(self, table: str) -> dict[int, int]:
        """Return the versions that have a table of this name, and its flags."""
        return nft_listing.tables(self._listed(nft_messages.dump(nft_messages.GET_TABLE)), table)

    def _versions(self, table: str) -> list[int]:
        return sorted(self._tables(table))

    def _sets(self, table: str, stem: str) -> list[tuple[int, int]]:
        """Return version and prefix length of the sets whose names begin so."""
        return [
            (version, length)
            for version in self._versions(table)
            for length in nft_listing.lengths(
                self._listed(
                    nft_listing.request(nft_messages.GET_SET, FAMILY_OF[version], table)
                ),
                table,
                stem,
            )
        ]  # fmt: skip

    def _elements(self, version: int, table: str, name: str) -> list[tuple[bytes, float]]:
        """Return the keys that are still in a set, and for how many seconds."""
        request = nft_listing.elements_request(FAMILY_OF[version], table, name)
        return list(nft_listing.elements(self._listed(request)))

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

    def _remove_tables(self, table: str) -> None:
        """`nft delete table ip TABLE`, and `ip6`; no error when there is none."""
        if versions := self._versions(table):
            requests = nft_tables.remove_requests(table, versions)
            self._commit(f"nft delete table {table}", requests)

    def _replace(self, verb: str, requests: Sequence[Request]) -> None:
        """Commit requests that need nothing that they do not make themselves."""
        try:
            self._commit(verb, requests)
        except GoneError as error:
            # All that it is about is in the batch, but for kinds of chains and of expressions.
            reason = "the kernel has not all of nftables that it needs"
            raise KernelError(verb, errno.EOPNOTSUPP, reason) from error

    def _commit(self, verb: str, requests: Sequence[Request]) -> None:
        def commit() -> None:
            with netlink.open_asker(netlink.NETFILTER) as asker:
                netlink.commit(asker, nft_messages.batch(requests))

        try:
            self._run(commit)
        except OSError as error:
            raise _refusal(verb, error) from error


def _refusal(verb: str, error: OSError) -> KernelError:
    """Return the error that says what nftables refused."""
    if isinstance(error, KernelError):
        return error
    kind = GoneError if error.errno == errno.ENOENT else KernelError
    return kind.of(verb, error)
