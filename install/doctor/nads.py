"""NADs that somebody names, judged by the node's own file, as `railctl nad lint` does.  Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from install.doctor.findings import Finding, ok
from install.nad.lint import Source, lint
from install.nad.remarks import Found, Measure


def check(sources: Sequence[Source], measure: Measure) -> list[Finding]:
    """Return what is wrong with the NADs of some files, each with its place."""
    if not sources:
        return []
    found = [_placed(one) for one in lint(sources, measure)]
    return found or [ok("nad", f"nothing is wrong with the NADs of {len(sources)} files")]


def _placed(one: Found) -> Finding:
    nad = f"{one.nad}: " if one.nad else ""
    mend = (*one.finding.mend, *((f"railctl nad lint {one.file}",) if one.right else ()))
    what = f"{one.file}:{one.line}: {nad}{one.finding.what}"
    return replace(one.finding, check="nad", what=what, mend=mend)
