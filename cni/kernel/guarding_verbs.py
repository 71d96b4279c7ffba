"""The verbs of a namespace for guards that expire, by nftables."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from cni.kernel import nft_guarding
from cni.kernel.guarding import Origin
from cni.kernel.nft_guarding import ALLOWED, GUARDED
from cni.kernel.nft_verbs import GoneError, NftVerbs
from cni.kernel.types import Network, kernel_errors


class GuardingVerbs(NftVerbs):
    """What a namespace of the running kernel does with guards."""

    def guard(self, table: str, origins: Mapping[Network, Origin], seconds: float) -> None:
        """`nft -f`, of a file that replaces the tables."""
        verb = f"nft add table {table}"
        versions = self._versions(table)
        with kernel_errors(verb):
            requests = nft_guarding.replace_requests(table, origins, seconds, versions)
        if requests:
            self._replace(verb, requests)

    def unguard(self, table: str) -> None:
        """`nft delete table ip TABLE`, and `ip6`."""
        self._remove_tables(table)

    def guarded(self, table: str) -> Mapping[Network, Origin]:
        """`nft list set` of each."""
        found: dict[Network, Origin] = {}
        with suppress(GoneError):
            for version, length in self._sets(table, GUARDED):
                places, senders = (
                    [key for key, _ in self._elements(version, table, f"{stem}{length}")]
                    for stem in (GUARDED, ALLOWED)
                )
                found |= nft_guarding.origins(version, length, places, senders)
            return found
        return {}
