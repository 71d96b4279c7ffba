"""What a network namespace knows of its neighbours: the part of the contract that is about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from cni.kernel.types import Address, Forwarding, Neighbour


class Neighbourhood(Protocol):
    """The neighbours of one network namespace, and what becomes of packets on their way there."""

    def neighbours(self, index: int) -> Sequence[Neighbour]:
        """Return whose MAC is known on a link, of both families (`ip neighbour show dev X`)."""
        ...

    def forwarding(self, index: int) -> Sequence[Forwarding]:
        """Return where a tunnel sends what is for a MAC (`bridge fdb show dev X`)."""
        ...

    def solicit(
        self, index: int, targets: Mapping[Address, Address], seconds: float
    ) -> Mapping[Address, str]:
        """Ask the neighbours on a link who has these addresses (`arping`, `ndisc6`), all at once.

        The neighbour table is neither asked nor changed.

        Args:
            index: of the link.
            targets: the addresses, and for each the one of ours that asks.
            seconds: how long to wait for the last answer; it ends early when all have answered.

        Returns:
            The MAC of each that answered in time.

        Raises:
            KernelError: ENETDOWN when the link is down, EOPNOTSUPP when it has no Ethernet address,
                ENODEV when it is gone.
        """
        ...

    def drops_forwarded(self) -> Sequence[str]:
        """Return the chains that drop what is forwarded unless a rule accepts it.

        Of nftables as `FAMILY TABLE CHAIN`, iptables-nft's own among them; of the older iptables
        as `iptables-legacy filter FORWARD`, and `ip6tables-legacy …`.
        """
        ...
