"""What a node tells the others of its findings, and what is made of all nodes' reports.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from cni import __version__
from install.doctor.findings import Finding, Severity, in_order, info, ok, warning
from ipam.registry.records import NodeRecord
from ipam.registry.reports import ReportedFinding, ReportRecord

_MOST = 8
"""Findings in a report."""
_LONGEST = 240
"""Characters of each of its texts; with these, a report has some thousand octets."""
_MENDS = 2
_WORDS = {severity.word: severity for severity in Severity}


def report(node: str, hardware: str, findings: Sequence[Finding], since: str) -> ReportRecord:
    """Return what a node tells: how many findings of each severity, and the worst of them."""
    counted = Counter(finding.severity.word for finding in findings)
    bad = [one for one in in_order(findings) if one.severity >= Severity.WARNING]
    return ReportRecord(
        node=node,
        hardware=hardware,
        version=__version__,
        since=since,
        counts=dict(sorted(counted.items())),
        findings=tuple(map(_reported, bad[:_MOST])),
    )


def same(one: ReportRecord, other: ReportRecord) -> bool:
    """Tell whether two reports say the same, whenever they were made."""
    return one.model_copy(update={"since": other.since}) == other


def judge(
    nodes: Mapping[str, NodeRecord],
    heartbeats: Mapping[str, NodeRecord],
    reports: Mapping[str, ReportRecord],
) -> list[Finding]:
    """Return what is found on all nodes, each finding with its node."""
    return [
        replace(finding, node=node)
        for node in sorted({*nodes, *heartbeats, *reports})
        for finding in _of_node(node, heartbeats.get(node), reports.get(node))
    ]


def _of_node(node: str, beat: NodeRecord | None, told: ReportRecord | None) -> Iterator[Finding]:
    if beat is None:
        yield warning(
            "silent",
            "it has no heartbeat: it is off or cut off, or no rail-agent runs there",
            "nobody sees to it; its pods' addresses stay its own",
            f"railctl ipam reclaim {node}  # if it is gone for good",
        )
    if told is None:
        if beat:
            yield info(
                "unreported",
                f"its agent ({beat.version}) has told no findings",
                "one that has just begun does so within minutes, one without this doctor never",
                f"railctl doctor  # on {node}",
            )
        return
    if beat and beat.hardware != told.hardware:
        yield warning(
            "identity",
            f"its heartbeat is of {beat.hardware}, and its findings of {told.hardware}",
            "two machines have one name",
            "give each machine its own name (node in the node file)",
        )
    yield from _told(node, told)


def _told(node: str, told: ReportRecord) -> Iterator[Finding]:
    for one in told.findings:
        yield Finding(
            _WORDS.get(one.severity, Severity.WARNING),
            one.check,
            one.what,
            f"told by its agent, so since {told.since}",
            one.mend,
        )
    bad = sum(told.counts.get(s.word, 0) for s in (Severity.WARNING, Severity.ERROR))
    if (more := bad - len(told.findings)) > 0:
        yield warning(
            "more",
            f"{more} more findings",
            "a report has room for the worst alone",
            f"railctl doctor  # on {node}",
        )
    if not bad and not told.findings:
        yield ok("well", f"nothing is wrong ({sum(told.counts.values())} things looked at)")


def _reported(finding: Finding) -> ReportedFinding:
    return ReportedFinding(
        severity=finding.severity.word,
        check=finding.check,
        what=_cut(finding.what),
        mend=tuple(map(_cut, finding.mend[:_MENDS])),
    )


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
