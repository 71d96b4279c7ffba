"""rail-ipam's part in the agent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from cni.agent.interface import Chore, Family
from cni.host.paths import Paths
from ipam.agent import beating, figures, leaks, reclaiming, upkeep
from ipam.agent.beating import Beating
from ipam.agent.condition import said
from ipam.agent.leaks import Leaks, Namespaces
from ipam.agent.measured import Meter, measured
from ipam.agent.reclaiming import Reclaiming
from ipam.agent.stock import Shelf
from ipam.agent.upkeep import Upkeep
from ipam.agent.warm import WarmIpam
from ipam.etcd.errors import UnavailableError
from ipam.wiring import Wiring

_UPKEEP = "upkeep"


class IpamPart:
    """What rail-ipam does in the agent (`cni.agent.interface.Part`).

    Args:
        paths: the node's files.
        reclaim: give back what nodes have left that are proven to be gone.
        reclaim_after: seconds that such a node must have been silent.
        namespaces: tells which network namespaces exist; None: no address is freed because its
            own is gone.
        wire: makes the node's parts, which stay open.
    """

    waken: Callable[[str], None]
    """Has one of the chores run now, by its name: the agent's, once there are threads for them."""

    def __init__(
        self,
        paths: Paths,
        *,
        reclaim: bool = False,
        reclaim_after: float = 86400.0,
        namespaces: Namespaces | None = None,
        wire: Callable[[], Wiring] | None = None,
    ) -> None:
        self.waken = lambda _: None
        self._meter = Meter()
        self._wire = wire or (lambda: Wiring(paths, keep_open=True))
        self.warm = WarmIpam(paths, self._tend, self._measured)
        """For the requests."""
        self._upkeep = Upkeep(self.warm.using)
        self._beating = Beating(self.warm.using)
        self._reclaiming = Reclaiming(self.warm.using, reclaim_after) if reclaim else None
        self._leaks = Leaks(self.warm.using, namespaces, self._tend) if namespaces else None
        self._shelf = Shelf(self.warm.using)

    @property
    def chores(self) -> Sequence[Chore]:
        """The upkeep, the heartbeat, and what is taken back."""
        chores = [
            Chore(_UPKEEP, upkeep.PERIOD, self._upkeep.run),
            Chore("heartbeat", beating.PERIOD, self._beating.run),
        ]
        if self._reclaiming:
            chores.append(Chore("reclaim", reclaiming.PERIOD, self._reclaiming.run))
        if self._leaks:
            chores.append(Chore("leaks", leaks.PERIOD, self._leaks.run))
        return chores

    def figures(self) -> Iterable[Family]:
        """Tell how this node's slots, blocks and registry are."""
        yield from figures.of_journal(self._shelf.look())
        yield from figures.of_etcd(self._meter)
        if self._leaks:
            yield figures.of_leaks(self._leaks.freed)

    def problems(self) -> Sequence[str]:
        """Return why pods might get no address."""
        found = figures.shortages(self._shelf.look(), etcd_is_up=self._meter.is_up)
        for condition in (self._upkeep.condition, self._beating.condition):
            setback = condition.setback
            # While etcd is away pods start as long as there are slots, and that is said above.
            if setback and not isinstance(setback, UnavailableError):
                found.append(said(setback))
        if self._leaks and self._leaks.alarm:
            found.append(self._leaks.alarm)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Say that the node stops, and let go of the journal and of etcd."""
        self._beating.close()
        self.warm.close()

    def _tend(self) -> None:
        self.waken(_UPKEEP)

    def _measured(self) -> Wiring:
        made = self._wire()
        return replace(made, connect=measured(made.connect, self._meter))
