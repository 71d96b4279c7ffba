"""What is known of a pod's rails and of the way to a peer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cni.kernel.types import Address, Interface

JUMBO = 9000
"""Bytes that a rail carries unless its network says otherwise."""


@dataclass(frozen=True, slots=True)
class Rail:
    """One of the pod's rails."""

    ifname: str
    addresses: Sequence[Interface]
    mtu: int
    """Of its link, in bytes."""
    wanted: int = JUMBO
    """Bytes that its network asks for."""
    name: str = ""
    """`roce-a`; empty where nobody says."""
    fabric: str = ""
    """Likewise."""

    @property
    def title(self) -> str:
        """What to call it."""
        return f"{self.name} ({self.ifname})" if self.name else self.ifname


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod that packets are sent from."""

    title: str
    rails: Sequence[Rail]
    netns: str = ""
    """Path of its namespace; empty for this process's own."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A way to be tried: from an address of a rail to one of the peer's."""

    rail: Rail
    source: Address
    target: Address


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; sizes are those of IP packets, in bytes."""

    sent: int = 0
    """Packets of the wanted size that left."""
    answered: int = 0
    """Of these, those whose answer came back whole."""
    largest: int = 0
    """The longest packet that was answered; 0 when none was."""
    least_lost: int = 0
    """The shortest longer one that was not; 0 where the wanted size came through."""
    refused: str = ""
    """Why nothing could be sent, in words."""
