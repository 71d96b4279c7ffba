"""All that is judged of the facts.  Pure."""

from __future__ import annotations

from itertools import chain

from install.doctor.findings import Finding
from install.doctor.host import agent, cni, machine
from install.doctor.host.facts import Facts
from install.doctor.unknown import unknown

_CHECKS = (
    cni.folders, cni.multus, cni.programs, agent.agent, machine.bonds, machine.clock,
)  # fmt: skip


def check(facts: Facts) -> list[Finding]:
    """Return all findings, by subject."""
    judged = chain.from_iterable(one(facts) for one in _CHECKS)
    return [*judged, *unknown(facts.unknown)]
