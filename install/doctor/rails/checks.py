"""All that is judged of the facts.  Pure."""

from __future__ import annotations

from itertools import chain

from install.doctor.findings import Finding
from install.doctor.rails import functions, lossless, machine, plugin, pods, ports
from install.doctor.rails.facts import Facts
from install.doctor.unknown import unknown

_CHECKS = (
    functions.sriov, functions.vfs,
    ports.carrier, ports.mtu, ports.bonding, ports.drivers,
    pods.attached, pods.rp_filter,
    machine.rdma, machine.iommu, machine.numa,
    lossless.priorities, lossless.pause,
    plugin.resources, plugin.kubelet,
)  # fmt: skip


def check(facts: Facts) -> list[Finding]:
    """Return all findings, by subject."""
    judged = chain.from_iterable(one(facts) for one in _CHECKS)
    return [*judged, *unknown(facts.unknown)]
