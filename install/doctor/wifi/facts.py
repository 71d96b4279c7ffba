"""What there is on a node, before anybody judges it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from cni.hostgw.landscape import Landscape
from cni.hostgw.peers import Peer
from cni.kernel.adapters import Radio
from cni.kernel.types import Address, Interface, Link, Network, Route


@dataclass(frozen=True, slots=True)
class Series:
    """Echo requests that were sent to one address, and how long the answers took."""

    sent: int
    times: tuple[float, ...]
    """Milliseconds, of those that came back in time."""

    @property
    def lost(self) -> float:
        """The part that did not come back, 0 to 1."""
        return (self.sent - len(self.times)) / self.sent if self.sent else 0.0

    @property
    def usual(self) -> float:
        """The median in milliseconds; some must have come back."""
        return median(self.times)

    def __str__(self) -> str:
        if not self.times:
            return f"none of {self.sent} came back"
        return (
            f"{len(self.times)} of {self.sent} came back, "
            f"median {self.usual:.1f} ms, at most {max(self.times):.1f} ms"
        )


@dataclass(frozen=True, slots=True)
class Uplink:
    """The device that carries this node's address."""

    link: Link
    addresses: Sequence[Interface]
    wireless: bool
    radio_name: str = ""
    """The radio itself, which may be below a bridge or a bond; empty when none is seen."""
    radio: Radio | None = None
    gateway: Address | None = None
    gateway_answers: bool | None = None
    """On layer 2; None when nobody could ask."""


@dataclass(frozen=True, slots=True)
class Reach:
    """A peer, and how it answers."""

    peer: Peer
    gateway: Address
    """Its address on the overlay."""
    uplink: str = ""
    """By which device its node is reached; empty when by none."""
    refusal: str = ""
    """Why no direct route may lead there, whoever answers; or why its node is not next door."""
    answers: bool | None = None
    """On layer 2; None when it was not asked."""
    node: Series | None = None
    """Echoes to its node; None when it was not measured.  So is the next one."""
    overlay: Series | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file of host-gw's that the agent does not take."""

    check: str
    """`settings` or `key`."""
    what: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it."""

    release: str
    """Of the kernel (`uname -r`)."""
    landscape: Landscape
    named: bool = False
    """Whether somebody named the overlay's devices."""
    uplinks: Sequence[Uplink] = ()
    reached: Sequence[Reach] = ()
    unmeasured: int = 0
    """Peers that were left out, since there are so many."""
    offloads: Mapping[str, bool | None] = field(default_factory=dict)
    """Of each overlay device, whether it leaves checksums to hardware."""
    filters: Mapping[str, str] = field(default_factory=dict)
    """Of each uplink and overlay device the `rp_filter` that counts."""
    forwarding: Mapping[int, str | None] = field(default_factory=dict)
    """By IP version, the sysctl; None where the kernel has none."""
    dropping: Sequence[str] = ()
    """Chains that drop what is forwarded, as `Neighbourhood.drops_forwarded` names them."""
    nftables: bool = True
    vxlan: bool = True
    """Whether the kernel has it, loaded or not."""
    refused: Sequence[Refusal] = ()
    direct: Sequence[Route] = ()
    """Routes that rail-hostgw has made."""
    unknown: Sequence[str] = ()
    """What could not be looked at, in words."""

    @property
    def versions(self) -> set[int]:
        """Return the IP versions that pods have."""
        return {network.version for network in self.pod_networks} or {4}

    @property
    def pod_networks(self) -> list[Network]:
        """Return all peers' pod networks."""
        return [one.peer.cidr for one in self.reached]
