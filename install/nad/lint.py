"""All that is wrong with NADs, each with file and line, and what they should be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from install.doctor.findings import Severity
from install.manifest.nodes import Said
from install.nad import addresses, devices, keys, routes
from install.nad.between import Member, together
from install.nad.document import read
from install.nad.remarks import Found, Measure, Remark, error, warning
from install.nad.right import right
from install.nad.shape import form
from install.nad.subject import Subject

Check = Callable[[Subject, Measure], Iterator[Remark]]

CHECKS: tuple[Check, ...] = (
    routes.default_routes,
    addresses.shared_subnets,
    addresses.malformed,
    keys.refused_values,
    keys.unknown_keys,
    devices.mtu,
    devices.resource,
)


@dataclass(frozen=True, slots=True)
class Source:
    """A file's name and its content."""

    file: str
    text: str


def lint(sources: Iterable[Source], measure: Measure) -> list[Found]:
    """Return what is wrong with the NADs of some files, by file and line."""
    members: list[Member] = []
    remarks: list[tuple[Member, Remark]] = []
    found: list[Found] = []
    for source in sources:
        document = read(source.text)
        found += _of_file(source, document.error, document.selections, count=len(document.nads))
        for nad in document.nads:
            formed = form(nad)
            member = Member(source.file, nad, formed.subject)
            members.append(member)
            own = [*formed.remarks, *(_checked(formed.subject, measure) if formed.subject else ())]
            remarks += [(member, remark) for remark in own]
    remarks += together(members, measure)
    found += _placed(remarks, measure)
    return sorted(found, key=lambda one: (one.file, one.line, -one.finding.severity))


def _checked(subject: Subject, measure: Measure) -> Iterator[Remark]:
    for check in CHECKS:
        yield from check(subject, measure)


def _placed(remarks: Sequence[tuple[Member, Remark]], measure: Measure) -> Iterator[Found]:
    offers: dict[int, str] = {}
    for member, remark in remarks:
        nad = member.nad
        if id(nad) not in offers:
            offers[id(nad)] = right(nad, member.subject, measure)
        is_bad = remark.finding.severity >= Severity.WARNING
        offer = offers[id(nad)] if is_bad else ""
        yield Found(member.file, remark.line, nad.title, remark.finding, offer)


def _of_file(
    source: Source, problem: Said | None, selections: Sequence[Said], *, count: int
) -> Iterator[Found]:
    """Return what is wrong with a file as a whole, and with what its pods ask for."""
    if problem:
        words = f"it is not YAML: {problem.text}"
        remark = error(problem.line, "yaml", words, "nothing behind this line was judged")
        yield Found(source.file, problem.line, "", remark.finding)
    elif not count and not selections:
        remark = warning(1, "empty", "it has no NetworkAttachmentDefinition", "nothing was judged")
        yield Found(source.file, 1, "", remark.finding)
    for said in selections:
        for remark in _selected(said):
            yield Found(source.file, remark.line, "", remark.finding)


def _selected(said: Said) -> Iterator[Remark]:
    """Name a pod that makes a rail its default route."""
    if not said.text.lstrip().startswith("["):
        return
    try:
        wanted = json.loads(said.text)
    except ValueError:
        yield error(
            said.line,
            "json",
            "the annotation k8s.v1.cni.cncf.io/networks begins as JSON and is none",
            "Multus refuses the pod",
        )
        return
    for one in wanted:
        if isinstance(one, dict) and one.get("default-route"):
            yield error(
                said.line_at(said.text.find("default-route")),
                "default-route",
                f"the pod asks {one.get('name')!r} for its default route, expected none on a rail",
                "Multus takes eth0's away: Services and the Internet go astray",
                "take default-route out",
            )
