"""The verbs of a namespace for guards that expire, on the fake's state."""

from __future__ import annotations

from collections.abc import Mapping

from cni.kernel import frames
from cni.kernel.fake.expiring import SECOND, GuardTable
from cni.kernel.fake.verbs import Verbs
from cni.kernel.guarding import Origin
from cni.kernel.marking import SHORTEST
from cni.kernel.types import Network, kernel_errors


class GuardingVerbs(Verbs):
    """What a namespace of the fake does with guards."""

    def guard(self, table: str, origins: Mapping[Network, Origin], seconds: float) -> None:
        """`nft -f`, of a file that replaces the tables."""
        verb = f"nft add table {table}"
        self._require_nftables(verb)
        with kernel_errors(verb):
            macs = {network: frames.octets(one.mac).hex(":") for network, one in origins.items()}
        if not origins and table not in self.netns.guards:
            return
        self._change_tables(verb)
        self.netns.guards.pop(table, None)
        if origins:
            until = self._machine.now + int(max(seconds, SHORTEST) * SECOND)
            stated = {network: Origin(one.index, macs[network]) for network, one in origins.items()}
            self.netns.guards[table] = GuardTable(stated, until)

    def unguard(self, table: str) -> None:
        """`nft delete table ip TABLE`, and `ip6`."""
        self._require_nftables("nft list ruleset")
        if table in self.netns.guards:
            self._change_tables(f"nft delete table {table}")
            del self.netns.guards[table]

    def guarded(self, table: str) -> Mapping[Network, Origin]:
        """`nft list set` of each."""
        self._require_nftables("nft list ruleset")
        found = self.netns.guards.get(table)
        return found.left(self._machine.now) if found else {}
