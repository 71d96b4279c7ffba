"""What is said of a NetworkAttachmentDefinition, and by which measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from install.doctor.findings import Finding, Severity

if TYPE_CHECKING:
    from ipam.node_file import NodeFile

JUMBO = 9000
"""Bytes; what rails carry unless somebody says otherwise."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rail is held against."""

    least_mtu: int = JUMBO
    node_file: NodeFile | None = None
    """What is declared of fabrics, where that is known."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A finding, and its line in the file, from 1 on."""

    line: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Found:
    """A remark with its place."""

    file: str
    line: int
    nad: str
    """`namespace/name`; empty for what is about the file."""
    finding: Finding
    right: str = ""
    """The NAD as it should be; empty where that cannot be known."""


def error(line: int, check: str, what: str, why: str, *mend: str) -> Remark:
    """Return a remark on what cannot work, or breaks others."""
    return Remark(line, Finding(Severity.ERROR, check, what, why, mend))


def warning(line: int, check: str, what: str, why: str, *mend: str) -> Remark:
    """Return a remark on what works, and not as it is meant."""
    return Remark(line, Finding(Severity.WARNING, check, what, why, mend))


def info(line: int, check: str, what: str, why: str) -> Remark:
    """Return a remark on what could not be judged."""
    return Remark(line, Finding(Severity.INFO, check, what, why))
