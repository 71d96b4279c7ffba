"""What a test does to the fake's nftables from outside, and asks of them."""

from __future__ import annotations

from abc import ABC, abstractmethod

from cni.kernel.fake.model import HOST, Machine, Netns
from cni.kernel.guarding import Origin
from cni.kernel.types import Address


class Netfilter(ABC):
    """The nftables of a fake kernel."""

    machine: Machine

    @abstractmethod
    def _at(self, path: str) -> Netns:
        """Return the namespace at a path."""

    def remove_nftables(self) -> None:
        """Let the kernel be one that was built without them."""
        self.machine.nftables = False

    def drop_forwarded(self, chain: str, *, path: str = HOST) -> None:
        """`nft add chain FAMILY TABLE CHAIN { type filter hook forward …; policy drop; }`."""
        self._at(path).dropping.append(chain)

    def flush_table(self, table: str, *, path: str = HOST) -> None:
        """`nft flush table ip TABLE`, and `ip6`: a table that marks has its sets, and no rules."""
        self._at(path).markings[table].marks = False

    def delete_table(self, table: str, *, path: str = HOST) -> None:
        """`nft delete table ip TABLE`, and `ip6`."""
        del self._at(path).markings[table]

    def lets_in(self, source: Address, by: Origin, *, path: str = HOST) -> bool:
        """Return whether a packet is let in that somebody's MAC has sent by a link.

        Args:
            source: of the packet.
            by: where it comes from.
            path: of the namespace.
        """
        return not any(
            source in network and origin.index == by.index and origin.mac != by.mac
            for table in self._at(path).guards.values()
            for network, origin in table.left(self.machine.now).items()
        )

    def mark_of(self, source: Address, destination: Address, *, path: str = HOST) -> int:
        """Return the mark that a packet gets on its way, sent or forwarded.

        Args:
            source: of the packet.
            destination: after its translation.
            path: of the namespace.
        """
        mark = 0
        for table in self._at(path).markings.values():
            marked = table.left(self.machine.now) if table.is_about(source) else {}
            if any(destination in network for network in marked):
                mark |= table.marking.mark
        return mark
