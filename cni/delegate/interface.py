"""What a main plugin asks of an IPAM plugin, wherever that runs."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cni.protocol.request import Request
    from cni.protocol.results import Result


@dataclass(frozen=True, slots=True)
class Allocation:
    """What an IPAM plugin answered to ADD."""

    result: Result
    """`ips`, `routes` and `dns`; no interfaces."""
    prefixes: tuple[IPv4Network | IPv6Network, ...] = ()
    """The subnets of the whole fabric, where the IPAM plugin knows it; empty where it does not."""


class Ipam(Protocol):
    """An IPAM plugin; each verb gets the main plugin's own request, as the specification says."""

    def allocate(self, request: Request) -> Allocation:
        """Give this attachment its addresses; again the same ones when it has some (ADD)."""
        ...

    def release(self, request: Request) -> None:
        """Take this attachment's addresses back; no error when it has none (DEL)."""
        ...

    def check(self, request: Request) -> None:
        """Raise unless this attachment holds the addresses of `prevResult` (CHECK)."""
        ...

    def collect(self, request: Request) -> None:
        """Take back what this network's dead attachments hold (GC)."""
        ...

    def status(self, request: Request) -> None:
        """Raise when `allocate` would fail (STATUS)."""
        ...
