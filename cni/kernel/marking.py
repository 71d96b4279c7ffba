"""Marks that expire: the part of the kernel's contract that nftables keeps.

A packet from a network of ours, for one that is marked as proven, gets some bits into its mark, by
which a rule finds it.  Each network is in a set with a time of its own, after which the kernel
forgets it by itself: so a program that has died, or hangs, marks nothing for long.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from cni.kernel.types import Network

SHORTEST = 0.02
"""Seconds; what is less than a tick of the kernel's clock, it takes for ever."""


@dataclass(frozen=True, slots=True)
class Marking:
    """A table that marks what the host sends and forwards from some networks to others.

    One for each version, of the families `ip` and `ip6`: `inet` can mark what the host itself
    sends from Linux 5.2 on.
    """

    table: str
    """The name of both, which nobody else's have."""
    mark: int
    """The bits that are set; the others of a packet's mark stay."""
    sizes: frozenset[tuple[int, int]]
    """Version and prefix length of the networks that it can hold."""
    sources: frozenset[Network]
    """From where a packet must come to be marked; of a version without one, none is."""


class Marks(Protocol):
    """What a network namespace marks.  Every verb is one transaction: all of it is done, or none.

    All raise `KernelError`; EOPNOTSUPP or EPROTONOSUPPORT where the kernel has no nftables.
    """

    def has_marking(self, marking: Marking) -> bool:
        """Return whether a table is there, and is as `set_marking` makes it."""
        ...

    def set_marking(self, marking: Marking) -> None:
        """Replace a table, if there is one; nothing is marked after that (`nft -f`)."""
        ...

    def remove_marking(self, table: str) -> None:
        """`nft delete table ip TABLE`, and `ip6`; no error when there is none."""
        ...

    def marked(self, table: str) -> Mapping[Network, float]:
        """Return what is marked, and for how many more seconds; nothing when there is no table."""
        ...

    def mark(self, table: str, networks: Mapping[Network, float]) -> None:
        """Mark networks for so many seconds from now on, whether they are marked or not.

        Args:
            table: its name.
            networks: each with its seconds; less than `SHORTEST` counts as that.

        Raises:
            KernelError: ENOENT when the table, or the set for one of them, is not there; then none
                is marked.
        """
        ...

    def unmark(self, table: str, networks: Collection[Network]) -> None:
        """Mark networks no longer; no error for one that is not, nor when the table is gone."""
        ...
