"""Guards that expire: from which MACs alone the packets of some networks are let in.

Each guard is in nftables' sets with a time of its own, after which the kernel forgets it by itself:
so what a program has guarded that has died, or hangs, is open again before long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cni.kernel.types import Network


@dataclass(frozen=True, slots=True)
class Origin:
    """Where packets with a source in some network come from, if they come by this link."""

    index: int
    """Of the link, as IP sees it: of a bridge, not of its port."""
    mac: str
    """Of who sends them there."""


class Guarding(Protocol):
    """What a network namespace lets in of its links.  Every verb is one transaction.

    All raise `KernelError`; EOPNOTSUPP or EPROTONOSUPPORT where the kernel has no nftables.
    """

    def guard(self, table: str, origins: Mapping[Network, Origin], seconds: float) -> None:
        """Drop what comes by a link from a network, but for what its MAC has sent (`nft -f`).

        It is dropped before anything else of the host sees it, connection tracking included.  What
        comes by other links is let in, and so is what has no Ethernet header.

        Args:
            table: the name of nftables' tables, `ip` and `ip6`, which nobody else's have.
            origins: what takes the place of all that was guarded there before.
            seconds: from now on until it is forgotten; less than `marking.SHORTEST` counts as that.

        Raises:
            KernelError: EOPNOTSUPP for a MAC that is none of Ethernet's; then nothing has changed.
        """
        ...

    def unguard(self, table: str) -> None:
        """`nft delete table ip TABLE`, and `ip6`; no error when there is none."""
        ...

    def guarded(self, table: str) -> Mapping[Network, Origin]:
        """Return what is guarded; nothing when there is no table, or its time is over."""
        ...
