"""Keeps in the kernel what is to be there: routes, rules, filters and marks."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from errno import ENOENT, EOPNOTSUPP, EPROTONOSUPPORT

from cni.agent.hostgw.table import Plan
from cni.hostgw import decision, refresh
from cni.hostgw.decision import MARKS, Change, Step
from cni.hostgw.node import Node
from cni.hostgw.taking import take
from cni.hostgw.terrain import Candidate
from cni.kernel.marking import Marking
from cni.kernel.rule_messages import words as rule_words
from cni.kernel.types import KernelError, Network, Route, Rule

log = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds to wait for a plugin that changes the host's routes just now."""
_NO_NFTABLES = frozenset({EOPNOTSUPP, EPROTONOSUPPORT})
AGAIN = 5.0
"""Seconds in which nothing is put back twice: who removes it would have it removed again."""


class Keeper:
    """What this agent has in the host's kernel.

    Args:
        node: where.
        table: the number of our routing table.
    """

    def __init__(self, node: Node, table: int) -> None:
        self._node = node
        self._host = node.kernel.host
        self._table = table
        self._marked: dict[Network, float] = {}
        self._put: dict[Route | Rule | Marking, float] = {}
        self.cannot_mark = ""
        """Why nothing can be marked here, in words."""
        self.problem = ""
        """What the kernel has refused, in words."""
        self.missing: frozenset[Network] = frozenset()
        """The pod networks whose direct way is not whole: what is sent there takes the overlay."""
        self.healed = 0
        """How often something of ours was put back that another program had removed."""

    def keep(self, plan: Plan, near: Collection[Candidate], now: float) -> frozenset[Network]:
        """Make the kernel hold a plan.

        Args:
            plan: what is to be there.
            near: who may be next door: filters between here and there are loosened.
            now: the time.

        Returns:
            The pod networks whose direct way was not as it should be: no proof of it counts.

        Raises:
            KernelError: the kernel could not be looked at, or a filter not be loosened.
            CniError: code 11 when a plugin is at it for too long.
        """
        with self._node.locks.host_routes(_PATIENCE):
            self._forget(plan)
            self._loosen(near)
            found = refresh.find(self._host, self._table)
            steps = decision.steps(plan.wanted, found, self._table)
            unproven = _unproven(steps, plan)
            self._unmark(unproven)  # before the way that nobody has proven is there
            allowed = [step for step in steps if self._may_take(step, now)]
            self._take(allowed, now)
            self.missing = unproven if self.problem or len(allowed) < len(steps) else frozenset()
            self._keep_marking(plan.marking, now)
        return unproven

    def mark(self, proofs: Mapping[Network, float], now: float) -> bool:
        """Mark what is proven, each for as long as its proof counts, and nothing else.

        Args:
            proofs: until when each network is proven.
            now: the time.

        Returns:
            Whether the kernel holds the marks; otherwise the next look puts the table back.
        """
        self._unmark(self._marked.keys() - proofs.keys())
        coming = {n: until for n, until in proofs.items() if self._marked.get(n) != until}
        if not coming:
            return True
        try:
            self._host.mark(MARKS, {network: until - now for network, until in coming.items()})
        except KernelError as error:
            if error.errno != ENOENT:
                raise
            self._unmark(list(self._marked))  # a set of several may be there
            return False
        self._marked |= coming
        return True

    def withdraw(self) -> None:
        """Take back all of ours but the filters: peers that have not heard it may send straight.

        Raises:
            KernelError: the kernel has refused a step; the others are done.
            CniError: code 11 when a plugin is at it for too long.
        """
        self.remove_marks()
        with self._node.locks.host_routes(_PATIENCE):
            refresh.withdraw(self._host, self._table)

    def remove_marks(self) -> None:
        """Mark nothing; where the kernel refuses that, the marks that it has expire."""
        self._marked = {}
        try:
            self._host.remove_marking(MARKS)
        except KernelError as error:
            log.debug("the marks stay until they expire: %s", error)

    def _unmark(self, networks: Collection[Network]) -> None:
        """Mark some networks no longer, whether we remember to have marked them or not."""
        if not networks:
            return
        try:
            self._host.unmark(MARKS, networks)
        except KernelError as error:
            if error.errno not in _NO_NFTABLES:
                raise
        self._marked = {n: until for n, until in self._marked.items() if n not in networks}

    def _forget(self, plan: Plan) -> None:
        """Forget when that was put there which is not wanted any more."""
        wanted = {*plan.wanted.routes, *plan.wanted.rules, plan.marking}
        self._put = {what: when for what, when in self._put.items() if what in wanted}

    def _loosen(self, near: Collection[Candidate]) -> None:
        notes = self._node.notes
        kept = notes.read(self._node.kernel.boot_id())
        claimed = refresh.claim_table(self._node, kept, self._table)
        loosened = refresh.loosen(self._node, near, claimed)
        if loosened != kept:
            notes.write(loosened)

    def _take(self, steps: Collection[Step], now: float) -> None:
        """Take the steps; what the kernel refuses is tried again with the next look."""
        problem = ""
        try:
            take(self._host, steps, _meaning)
        except KernelError as error:
            problem = "; ".join((str(error), *getattr(error, "__notes__", ())))
        else:
            self._put |= {step.what: now for step in steps if step.change is Change.ADD}
        if problem and problem != self.problem:
            log.error("not everything is as it should be: %s", problem)
        self.problem = problem

    def _may_take(self, step: Step, now: float) -> bool:
        return step.change is Change.REMOVE or self._may_put(step.what, now)

    def _may_put(self, what: Route | Rule | Marking, now: float) -> bool:
        before = self._put.get(what)
        if before is not None:
            if now - before < AGAIN:
                return False
            self.healed += 1
            log.warning("somebody has removed %s: it is put back", _words(what))
        return True

    def _keep_marking(self, marking: Marking | None, now: float) -> None:
        if marking is None:
            return
        problem = ""
        try:
            if not self._host.has_marking(marking) and self._may_put(marking, now):
                self._marked = {}
                self._host.set_marking(marking)
                self._put[marking] = now
        except KernelError as error:
            problem = str(error)
        if problem and problem != self.cannot_mark:
            log.error("paths are only observed, for nothing can be marked: %s", problem)
        self.cannot_mark = problem


def _unproven(steps: Collection[Step], plan: Plan) -> frozenset[Network]:
    """Return the networks whose echoes have not gone the way that they will go from now on."""
    coming = [step.what for step in steps if step.change is Change.ADD]
    versions = {what.source.version for what in coming if isinstance(what, Rule)}
    return frozenset({
        *(what.dst for what in coming if isinstance(what, Route)),
        *(route.dst for route in plan.wanted.routes if route.dst.version in versions),
    })  # fmt: skip


def _meaning(step: Step) -> str:
    """Return what a step means where only what is marked goes straight."""
    return f"{_words(step.what)} is {'there' if step.change is Change.ADD else 'gone'}"


def _words(what: Route | Rule | Marking) -> str:
    if isinstance(what, Marking):
        return f"the nftables {what.table}"
    if isinstance(what, Route):
        return f"the direct route to {what.dst}, for what is marked,"
    return f"the rule {rule_words(what)}"
