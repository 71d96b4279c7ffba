"""The verbs of a namespace for marks that expire, on the fake's state."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Mapping
from dataclasses import replace

from cni.kernel.fake.expiring import SECOND, MarkingTable
from cni.kernel.fake.verbs import Verbs
from cni.kernel.marking import SHORTEST, Marking
from cni.kernel.nft_marking import words
from cni.kernel.types import KernelError, Network


class MarkingVerbs(Verbs):
    """What a namespace of the fake does with marks."""

    def has_marking(self, marking: Marking) -> bool:
        """`nft list ruleset`, compared."""
        self._require_nftables("nft list ruleset")
        table = self.netns.markings.get(marking.table)
        return table is not None and table.marks and _made(table.marking) == _made(marking)

    def set_marking(self, marking: Marking) -> None:
        """`nft -f`, of a file that replaces the tables."""
        self._change_tables(words("add table", marking.table))
        self.netns.markings[marking.table] = MarkingTable(marking)

    def remove_marking(self, table: str) -> None:
        """`nft delete table ip TABLE`, and `ip6`."""
        self._require_nftables("nft list ruleset")
        if table in self.netns.markings:
            self._change_tables(words("delete table", table))
            del self.netns.markings[table]

    def marked(self, table: str) -> Mapping[Network, float]:
        """`nft list set` of each."""
        self._require_nftables("nft list ruleset")
        found = self.netns.markings.get(table)
        return found.left(self._machine.now) if found else {}

    def mark(self, table: str, networks: Mapping[Network, float]) -> None:
        """`nft add element` of each, in one transaction."""
        if not networks:
            return
        verb = words("add element", table, networks)
        self._change_tables(verb)
        found = self.netns.markings.get(table)
        if found is None or not all(map(found.can_hold, networks)):
            raise KernelError(verb, errno.ENOENT, os.strerror(errno.ENOENT))
        for network, seconds in networks.items():
            found.until[network] = self._machine.now + int(max(seconds, SHORTEST) * SECOND)

    def unmark(self, table: str, networks: Collection[Network]) -> None:
        """`nft delete element` of each, in one transaction."""
        if not networks:
            return
        self._require_nftables("nft list ruleset")
        found = self.netns.markings.get(table)
        if found and (held := list(filter(found.can_hold, networks))):
            self._change_tables(words("delete element", table, held))
            for network in held:
                found.until.pop(network, None)


def _made(marking: Marking) -> Marking:
    """Return what can be seen of it: sources of a version that has no table are nowhere."""
    versions = {version for version, _ in marking.sizes}
    return replace(marking, sources=frozenset(s for s in marking.sources if s.version in versions))
