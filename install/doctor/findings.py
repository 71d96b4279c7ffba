"""What a check has found.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is; the greater, the worse."""

    OK = 0
    INFO = 1
    """Good to know, and nothing to be done."""
    WARNING = 2
    """It costs time or packets, or will do so."""
    ERROR = 3
    """Something cannot work, or does not."""

    @property
    def word(self) -> str:
        """What a person reads."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing, good or bad."""

    severity: Severity
    check: str
    """Which check has found it: `power-save`."""
    what: str
    why: str = ""
    """Why it matters."""
    mend: tuple[str, ...] = ()
    """The commands, or words where there is none."""
    node: str = ""
    """Where it is so; empty for the node that is looked at."""


def error(check: str, what: str, why: str, *mend: str) -> Finding:
    """Return a finding on what cannot work, or breaks others."""
    return Finding(Severity.ERROR, check, what, why, mend)


def warning(check: str, what: str, why: str, *mend: str) -> Finding:
    """Return a finding on what works, and not as it is meant."""
    return Finding(Severity.WARNING, check, what, why, mend)


def info(check: str, what: str, why: str = "", *mend: str) -> Finding:
    """Return a finding on what is good to know."""
    return Finding(Severity.INFO, check, what, why, mend)


def ok(check: str, what: str) -> Finding:
    """Return a finding on what is as it should be."""
    return Finding(Severity.OK, check, what)


def worst(findings: Iterable[Finding]) -> Severity:
    """Return how bad the worst is."""
    return max((finding.severity for finding in findings), default=Severity.OK)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return them, the worst first, and otherwise as they came."""
    return sorted(findings, key=lambda finding: -finding.severity)
