"""The agent's part in rail-sriov: attachments are repaired and looked after, rails are watched."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from cni.agent.announcing import Announcing
from cni.agent.drift import Drift
from cni.agent.interface import Chore, Family
from cni.agent.rails import LEAST_MTU, Rails
from cni.agent.repair import Repair, Surroundings
from cni.agent.roll import Roll
from cni.agent.sight import blindness as own_blindness
from cni.rail.node import Node

GRACE = 30.0
"""Seconds."""
PLUGINS = ("/opt/cni/bin",)
"""Where runtimes have their plugins."""


class Attending:
    """Keeps the `Part` protocol.

    Args:
        node: the node.
        grace: seconds from the first look that misses a pod's namespace to the one that counts.
        pfs: the PFs to watch, by interface or PCI address; all that have VFs, if there are none.
        least_mtu: in bytes, of a PF whatever its attachments need.
        path: where IPAM plugins are, if a record does not say.
        environ: of the agent; IPAM plugins get it.
        blindness: why this process does not see the host's namespaces, empty when it does.
    """

    def __init__(  # noqa: PLR0913 - the node, and settings by keyword
        self,
        node: Node,
        *,
        grace: float = GRACE,
        pfs: Sequence[str] = (),
        least_mtu: int = LEAST_MTU,
        path: tuple[str, ...] = PLUGINS,
        environ: Mapping[str, str] = os.environ,
        blindness: Callable[[], str] = own_blindness,
    ) -> None:
        self._roll = Roll(node.attachments, node.kernel.boot_id)
        self._repair = Repair(node, Surroundings(environ, path), grace, blindness)
        self._drift = Drift(node, self._roll)
        self._announcing = Announcing(node, self._roll)
        self._rails = Rails(node, self._roll, pfs, least_mtu)

    @property
    def chores(self) -> Sequence[Chore]:
        """What is to be done from time to time."""
        return (
            Chore("announce", 1, self._announcing.run),
            Chore("rails", 2, self._rails.run),
            Chore("repair", 10, self._repair.run),
            Chore("drift", 60, self._drift.run),
        )

    def figures(self) -> Iterator[Family]:
        """Tell what is now; of the kernel, what the chores have seen last."""
        yield from self._of_attachments()
        yield from self._of_rails()

    def problems(self) -> Sequence[str]:
        """Return why new pods might not start, in words.

        What a rail ails is told by the log, the metrics and STATUS: one cable that is not plugged
        in must not hold up the roll-out of an agent.
        """
        return list(filter(None, (self._repair.problem, self._repair.alarm)))

    def ailments(self) -> Sequence[str]:
        """Return what is wrong with which PF, in words."""
        return self._rails.problems()

    def outages(self, rail: str) -> Sequence[str]:
        """Return why a rail carries nothing, in words; empty while it does, or is not known."""
        return self._rails.outages(rail)

    def close(self) -> None:
        """Nothing is kept open."""

    def _of_attachments(self) -> Iterator[Family]:
        records = self._roll.records()
        yield Family.of(
            "attachments", "Attachments that a pod is using.",
            Counter((record.rail,) for record in records if record.stands), "rail",
        )  # fmt: skip
        yield Family.of(
            "unfinished_attachments",
            "Attachments that a request has begun or ended only in part.",
            {(): sum(not record.stands for record in records)},
        )
        yield Family.of(
            "unannounced_attachments", "Attachments whose carrier has not come yet.",
            {(): len(self._announcing.waiting())},
        )  # fmt: skip
        yield Family.of(
            "drifted_attachments", "Attachments that are no longer as ADD left them.",
            self._drift.counts(), "rail", "kind",
        )  # fmt: skip
        yield Family.of(
            "reclaimed_attachments", "Attachments that were finished without a request.",
            {(): self._repair.reclaimed}, kind="counter",
        )  # fmt: skip
        yield Family.of(
            "reclaim_alarm", "1 while too many attachments seem dead at once, and none is freed.",
            {(): int(bool(self._repair.alarm))},
        )  # fmt: skip

    def _of_rails(self) -> Iterator[Family]:
        found = self._rails.found
        links = {health.pf: health.link for health in found}
        yield Family.of(
            "vfs", "VFs, by who has them.",
            {(h.pf, state): count for h in found for state, count in h.vfs.items()}, "pf", "state",
        )  # fmt: skip
        yield Family.of(
            "pf_up", "1 while the PF is on the host and up.",
            {(pf,): int(bool(link and link.up)) for pf, link in links.items()}, "pf",
        )  # fmt: skip
        yield Family.of(
            "pf_carrier", "1 while the PF has carrier.",
            {(pf,): int(bool(link and link.carrier)) for pf, link in links.items()}, "pf",
        )  # fmt: skip
        yield Family.of(
            "pf_mtu_bytes", "The PF's MTU.",
            {(pf,): link.mtu for pf, link in links.items() if link}, "pf",
        )  # fmt: skip
        yield Family.of(
            "pf_least_mtu_bytes", "What the PF's MTU must be at least.",
            {(h.pf,): h.least_mtu for h in found if h.link}, "pf",
        )  # fmt: skip
        yield Family.of(
            "pf_errors", "Errors that the PF has counted, by the kernel's names.",
            {(h.pf, counter): count for h in found for counter, count in h.errors.items()},
            "pf", "counter", kind="counter",
        )  # fmt: skip
        yield Family.of(
            "rdma_port_up", "1 while a PF's RDMA port is active.",
            {(p.device, str(p.number)): int(p.is_active) for h in found for p in h.ports},
            "device", "port",
        )  # fmt: skip
