"""All that is judged of the facts.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from install.doctor.findings import Finding, in_order
from install.doctor.unknown import unknown
from install.doctor.wifi import air, reach, settings
from install.doctor.wifi.facts import Facts
from install.doctor.wifi.wsl import wsl


def not_seen(facts: Facts) -> Iterator[Finding]:
    """Say what nobody could look at."""
    return unknown(facts.unknown)


_CHECKS = (
    air.uplinks, air.power_save, air.signal,
    wsl, settings.backend, settings.checksums, settings.mtu, settings.forwarding,
    settings.firewall, settings.filters, settings.files, not_seen,
    reach.layer_2, reach.peers, reach.direct,
)  # fmt: skip


def check(facts: Facts) -> list[Finding]:
    """Return all findings, the worst first."""
    return in_order(chain.from_iterable(one(facts) for one in _CHECKS))
