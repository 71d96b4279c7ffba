"""What expires by itself: nftables' tables of the fake."""

from __future__ import annotations

from dataclasses import dataclass, field

from cni.kernel.guarding import Origin
from cni.kernel.marking import Marking
from cni.kernel.types import Address, Network

SECOND = 1_000_000_000
"""Nanoseconds."""


@dataclass(eq=False, slots=True)
class MarkingTable:
    """nftables' tables of one name, for both versions."""

    marking: Marking
    marks: bool = True
    """Whether the rules are there, or only the sets."""
    until: dict[Network, int] = field(default_factory=dict)
    """When each network was to expire."""

    def can_hold(self, network: Network) -> bool:
        """Return whether there is a set for it."""
        return (network.version, network.prefixlen) in self.marking.sizes

    def is_about(self, source: Address) -> bool:
        """Return whether there is a rule for what comes from an address."""
        return self.marks and any(source in network for network in self.marking.sources)

    def left(self, now: int) -> dict[Network, float]:
        """Return what is marked at this time, and for how many more seconds."""
        return {n: (end - now) / SECOND for n, end in self.until.items() if end > now}


@dataclass(eq=False, slots=True)
class GuardTable:
    """nftables' tables of one name that guard, for both versions."""

    origins: dict[Network, Origin]
    until: int
    """When it was to expire."""

    def left(self, now: int) -> dict[Network, Origin]:
        """Return what is guarded at this time."""
        return dict(self.origins) if self.until > now else {}
