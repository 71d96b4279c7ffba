"""What several NADs must not be together."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from install.nad.devices import ANNOTATION
from install.nad.document import Nad
from install.nad.rails import declared_rail
from install.nad.ranges import is_our_kind, subnets
from install.nad.remarks import Measure, Remark, error, warning
from install.nad.shape import title
from install.nad.subject import Subject
from ipam.ranges import Network, listing


@dataclass(frozen=True, slots=True)
class Member:
    """A NAD among others."""

    file: str
    nad: Nad
    subject: Subject | None
    """None where its configuration cannot be read."""

    @property
    def place(self) -> str:
        """Where it is, for a message about another one."""
        return f"{self.nad.title} ({self.file}:{self.nad.line})"


def together(members: Sequence[Member], measure: Measure) -> Iterator[tuple[Member, Remark]]:
    """Return what is wrong between NADs, said of the later one."""
    for one, other in combinations(members, 2):
        if one.nad.title == other.nad.title:
            yield other, _twice(one, other)
        elif one.subject and other.subject:
            for remark in _pair(one, one.subject, other, other.subject, measure):
                yield other, remark


def _twice(one: Member, other: Member) -> Remark:
    return error(
        other.nad.name.line,
        "name",
        f"{other.nad.title} is there already: {one.place}",
        "the cluster keeps the last one that it is given",
    )


def _pair(
    one: Member, mine: Subject, other: Member, theirs: Subject, measure: Measure
) -> Iterator[Remark]:
    first, second = _rail(mine, measure), _rail(theirs, measure)
    if first == second:
        return
    common = _common(_subnets(mine, measure), _subnets(theirs, measure))
    if common:
        yield error(
            theirs.line(theirs.ipam_path),
            "overlap",
            f"{listing(common)} overlaps {one.place}, and they are not the same rail",
            "an address may be given twice, and packets to it leave by either rail",
        )
    if title(mine) == title(theirs):
        yield error(
            theirs.line(("name",)),
            "name",
            f"name is {title(theirs)!r}, as in {one.place}, which is another rail",
            "addresses and records are kept by that name: one network would get the other's",
        )
    said = other.nad.annotations.get(ANNOTATION)
    before = one.nad.annotations.get(ANNOTATION)
    if said and before and said.text == before.text:
        yield warning(
            said.line,
            "resource",
            f"the annotation {ANNOTATION} is {said.text}, as in {one.place}, which is another rail",
            "which of the two networks a VF is connected to is chance, unless both are VLANs of "
            "one PF",
        )


def _rail(subject: Subject, measure: Measure) -> Hashable:
    """Return what tells a rail from others: two NADs of one rail are no contradiction."""
    declared = declared_rail(subject.nad, subject, measure.node_file)
    if declared and is_our_kind(subject):
        return declared.fabric, declared.name
    words = (str(subject.ipam.get("fabric")), str(subject.ipam.get("rail")))
    if is_our_kind(subject) and "fabric" in subject.ipam:
        return words
    said = subject.nad.annotations.get(ANNOTATION)
    resource = "" if is_our_kind(subject) or said is None else said.text
    found = subnets(subject)
    return (subject.ipam_kind, resource, found) if found else id(subject)


def _subnets(subject: Subject, measure: Measure) -> tuple[Network, ...]:
    found = subnets(subject)
    if found:
        return found
    declared = declared_rail(subject.nad, subject, measure.node_file)
    return declared.subnets if declared and is_our_kind(subject) else ()


def _common(mine: Sequence[Network], theirs: Sequence[Network]) -> list[Network]:
    return [
        net
        for net in theirs
        if any(net.version == one.version and net.overlaps(one) for one in mine)
    ]
