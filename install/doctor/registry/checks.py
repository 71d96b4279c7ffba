"""All that is judged of the facts.  Pure."""

from __future__ import annotations

from itertools import chain

from install.doctor.findings import Finding
from install.doctor.registry import clashes, reach
from install.doctor.registry.facts import Facts

_CHECKS = (
    reach.endpoints, reach.rights, reach.latency, reach.certificates, reach.clocks,
    clashes.names, clashes.others,
)  # fmt: skip


def check(facts: Facts) -> list[Finding]:
    """Return all findings, by subject."""
    return list(chain.from_iterable(one(facts) for one in _CHECKS))
