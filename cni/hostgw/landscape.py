"""What there is on a node, as the kernel tells it at one moment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from cni.kernel.interface import Namespace
from cni.kernel.types import MAIN_TABLE, Forwarding, Interface, Link, Neighbour, Route


@dataclass(frozen=True, slots=True)
class Landscape:
    """Links, the main table, and of each tunnel who is behind it."""

    links: Sequence[Link]
    main: Sequence[Route]
    """Every route of the main table."""
    tunnels: Sequence[Link] = ()
    """Links that may be the overlay."""
    addresses: Mapping[int, Sequence[Interface]] = field(default_factory=dict)
    """By the index of a tunnel; so are the next two."""
    neighbours: Mapping[int, Sequence[Neighbour]] = field(default_factory=dict)
    forwarding: Mapping[int, Sequence[Forwarding]] = field(default_factory=dict)

    def link(self, index: int) -> Link | None:
        """Return a link by its index."""
        return next((link for link in self.links if link.index == index), None)


def look(host: Namespace, names: Collection[str]) -> Landscape:
    """Look at the host.

    Args:
        host: its namespace.
        names: of the overlay's devices; empty for whatever is a vxlan.
    """
    links = host.links()
    tunnels = [
        link for link in links if (link.name in names if names else link.kind == "vxlan")
    ]  # fmt: skip
    indices = [link.index for link in tunnels]
    return Landscape(
        links=links,
        main=host.table(MAIN_TABLE),
        tunnels=tunnels,
        addresses={index: host.addresses(index) for index in indices},
        neighbours={index: host.neighbours(index) for index in indices},
        forwarding={index: host.forwarding(index) for index in indices},
    )
