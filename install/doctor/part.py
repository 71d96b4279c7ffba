"""The doctor in the agent: it looks at the node now and then, and tells the registry what it found.

What asks other nodes or sends packets to them is left to who calls `railctl doctor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from cni.agent.interface import Chore, Family
from ipam.agent.condition import SETBACKS, Condition

if TYPE_CHECKING:
    from cni.host.paths import Paths
    from cni.kernel.interface import Kernel, Sysfs
    from ipam.node_file import Etcd, NodeFile
    from ipam.registry.reports import ReportRecord
    from ipam.wiring import Wiring

PERIOD = 300.0
"""Seconds between two looks."""


class DoctorPart:
    """What the doctor does in the agent (`cni.agent.interface.Part`).

    Args:
        paths: the node's files.
        kernel: the node's.
        sysfs: the node's.
        using: uses rail-ipam's parts, as the node file has them now.
    """

    def __init__(
        self,
        paths: Paths,
        kernel: Kernel,
        sysfs: Sysfs,
        using: Callable[[], AbstractContextManager[Wiring]],
    ) -> None:
        self._paths = paths
        self._kernel = kernel
        self._sysfs = sysfs
        self._using = using
        self._condition = Condition(
            "the other nodes are not told what the doctor finds here",
            "the other nodes are told again what the doctor finds here",
        )
        self._last: ReportRecord | None = None
        self._lease = 0

    @property
    def chores(self) -> Sequence[Chore]:
        """The look."""
        return [Chore("doctor", PERIOD, self.run)]

    def figures(self) -> Iterable[Family]:
        """Tell nothing: what is wrong with a rail, the agent's own figures say."""
        return ()

    def problems(self) -> Sequence[str]:
        """Return nothing: likewise."""
        return ()

    def close(self) -> None:
        """Let the report stand until its lease ends: the heartbeat says that the agent has gone."""

    def run(self) -> None:
        """Look at the node and tell, where the node file names an etcd."""
        try:
            with self._using() as wiring:
                file = wiring.node_file
                if file is None or file.etcd is None:
                    return
                self._tell(wiring, file, file.etcd)
        except SETBACKS as setback:
            self._condition.break_off(setback)
        else:
            self._condition.keep()

    def _tell(self, wiring: Wiring, file: NodeFile, etcd: Etcd) -> None:
        # Only here: an agent without etcd never loads what looks and judges.
        from install.doctor.report import report, same
        from install.doctor.whole import Place, Wishes, look
        from ipam.identity import hardware_identity
        from ipam.registry.keys import Layout
        from ipam.registry.records import now
        from ipam.registry.reports import tell

        hardware = hardware_identity(wiring.sys, file.node_id)
        _, findings = look(Place(self._paths, self._kernel, self._sysfs), Wishes())
        told = report(file.node, hardware, findings, now())
        if self._last and same(told, self._last):
            told = self._last
        key = Layout(etcd.prefix).report(file.node)
        with wiring.connected(etcd.settings) as client:
            self._lease = tell(client, key, told.encode(), self._lease, etcd.timeout)
        self._last = told
