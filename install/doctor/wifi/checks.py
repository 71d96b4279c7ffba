"""All that is judged of the facts.  Pure."""

from __future__ import annotations

from itertools import chain

from install.doctor.findings import Finding, in_order
from install.doctor.wifi import air, reach, settings
from install.doctor.wifi.facts import Facts
from install.doctor.wifi.wsl import wsl

_CHECKS = (
    air.uplinks, air.power_save, air.signal,
    wsl, settings.backend, settings.checksums, settings.mtu, settings.forwarding,
    settings.firewall, settings.filters, settings.files, settings.unknown,
    reach.layer_2, reach.peers, reach.direct,
)  # fmt: skip


def check(facts: Facts) -> list[Finding]:
    """Return all findings, the worst first."""
    return in_order(chain.from_iterable(one(facts) for one in _CHECKS))
