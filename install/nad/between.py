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


@dataclass(frozen=True, slots=True)
class _Known:
    """What is compared of a NAD, found once."""

    member: Member
    rail: Hashable
    """What tells a rail from others: two NADs of one rail are no contradiction."""
    subnets: tuple[Network, ...]
    name: str
    resource: str


def together(members: Sequence[Member], measure: Measure) -> Iterator[tuple[Member, Remark]]:
    """Return what is wrong between NADs, said of the later one."""
    known = [
        _known(member, member.subject, measure) if member.subject else None for member in members
    ]
    for (one, mine), (other, theirs) in combinations(zip(members, known, strict=True), 2):
        if one.nad.title == other.nad.title:
            yield other, _twice(one, other)
        elif mine and theirs and mine.rail != theirs.rail:
            for remark in _apart(mine, theirs, other):
                yield other, remark


def _known(member: Member, subject: Subject, measure: Measure) -> _Known:
    said = member.nad.annotations.get(ANNOTATION)
    resource = said.text if said else ""
    declared = declared_rail(subject.nad, subject, measure.node_file)
    is_ours, found = is_our_kind(subject), subnets(subject)
    rail: Hashable
    if declared and is_ours:
        rail, found = (declared.fabric, declared.name), found or declared.subnets
    elif is_ours and "fabric" in subject.ipam:
        rail = (str(subject.ipam["fabric"]), str(subject.ipam.get("rail")))
    else:
        rail = (subject.ipam_kind, "" if is_ours else resource, found) if found else id(subject)
    return _Known(member, rail, found, title(subject), resource)


def _twice(one: Member, other: Member) -> Remark:
    return error(
        other.nad.name.line,
        "name",
        f"{other.nad.title} is there already: {one.place}",
        "the cluster keeps the last one that it is given",
    )


def _apart(mine: _Known, theirs: _Known, other: Member) -> Iterator[Remark]:
    """Judge two NADs of different rails."""
    before, subject = mine.member.place, theirs.member.subject
    common = _common(mine.subnets, theirs.subnets)
    if common and subject:
        yield error(
            subject.line(subject.ipam_path),
            "overlap",
            f"{listing(common)} overlaps {before}, and they are not the same rail",
            "an address may be given twice, and packets to it leave by either rail",
        )
    if mine.name == theirs.name and subject:
        yield error(
            subject.line(("name",)),
            "name",
            f"name is {theirs.name!r}, as in {before}, which is another rail",
            "addresses and records are kept by that name: one network would get the other's",
        )
    if theirs.resource and mine.resource == theirs.resource:
        yield warning(
            other.nad.annotations[ANNOTATION].line,
            "resource",
            f"the annotation {ANNOTATION} is {theirs.resource}, as in {before}, which is another "
            "rail",
            "which of the two networks a VF is connected to is chance, unless both are VLANs of "
            "one PF",
        )


def _common(mine: Sequence[Network], theirs: Sequence[Network]) -> list[Network]:
    return [
        net
        for net in theirs
        if any(net.version == one.version and net.overlaps(one) for one in mine)
    ]
