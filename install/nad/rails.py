"""Which rail of the node file a NAD means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from install.nad.document import Nad
from install.nad.ranges import subnets
from install.nad.subject import Subject, text_of
from ipam.ranges import Network

if TYPE_CHECKING:
    from ipam.node_file import NodeFile


@dataclass(frozen=True, slots=True)
class DeclaredRail:
    """A rail of a node file."""

    fabric: str
    name: str
    subnets: tuple[Network, ...]
    resource: str
    """Empty where the node file does not name it."""


def rails_of(node_file: NodeFile) -> Iterator[DeclaredRail]:
    """Return a node file's rails, in its order."""
    for fabric, entry in node_file.fabrics.items():
        for name, rail in entry.rails.items():
            yield DeclaredRail(fabric, name, rail.subnet, rail.resource)


def declared_rail(
    nad: Nad, subject: Subject | None, node_file: NodeFile | None
) -> DeclaredRail | None:
    """Return the rail that a NAD means, as far as that is certain.

    Its own words come first (fabric and rail), then its subnets, then names.

    Args:
        nad: the NAD.
        subject: the same, where its configuration can be read.
        node_file: what is declared.
    """
    rails = list(rails_of(node_file)) if node_file else []
    by_words = _by_words(subject, rails) if subject else None
    if by_words:
        return by_words
    by_subnets = _by_subnets(subject, rails) if subject else None
    return by_subnets or _by_name(nad, subject, rails)


def _by_words(subject: Subject, rails: list[DeclaredRail]) -> DeclaredRail | None:
    words = (subject.ipam.get("fabric"), subject.ipam.get("rail"))
    return next((rail for rail in rails if (rail.fabric, rail.name) == words), None)


def _by_subnets(subject: Subject, rails: list[DeclaredRail]) -> DeclaredRail | None:
    """Return the one rail whose subnets have to do with the NAD's."""
    near = [
        rail
        for rail in rails
        if any(mine.overlaps(theirs) for mine in subnets(subject) for theirs in rail.subnets)
    ]
    return near[0] if len(near) == 1 else None


def _by_name(nad: Nad, subject: Subject | None, rails: list[DeclaredRail]) -> DeclaredRail | None:
    names = {nad.name.text}
    if subject:
        names |= {text_of(subject.main.keys.get("rail")), text_of(subject.document.get("name"))}
    named = [rail for rail in rails if rail.name in names]
    return named[0] if len(named) == 1 else None
