"""Giving back what nodes have left that are proven to be gone, without a person.

Off unless it is asked for.  The only proof that counts is the registry's own: the node's record
shows a later boot of the same hardware than the one in which it took what it has left
(`ipam.registry.lost`).  That Kubernetes has deleted its Node is none here: nobody in this room asks
Kubernetes; a machine that is powered off for certain is `railctl ipam reclaim --fenced`.

All agents may do so at once, and none is elected: each change compares the node's record, its
heartbeat and the thing itself with what was read, so that of several the first one makes it and
the others meet it done.  A lease that a later one has made for nothing ends by itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ipam.agent.condition import SETBACKS, Condition
from ipam.agent.upkeep import Using
from ipam.etcd.interface import Etcd
from ipam.registry.keys import Layout
from ipam.registry.lost import UnprovenError, proven, remains
from ipam.registry.operator import Operator
from ipam.registry.overview import Census, Overview, Pace

log = logging.getLogger(__name__)

PERIOD = 600.0
"""Seconds between looks at who is silent."""
QUARANTINE = 60
"""Seconds in which nobody claims a block that was given back."""
_WHOLE = 60.0
"""Seconds that all readings and changes of one look may take."""


@dataclass(frozen=True, slots=True)
class _Silence:
    """That a node has had no heartbeat."""

    revision: int
    """Of its record: it has not joined since."""
    since: float


class Reclaiming:
    """Reclaims, for one agent, what it has itself seen silent for long enough.

    Args:
        using: uses the node's parts.
        after: seconds of silence; an agent that starts anew begins to count anew.
        clock: tells a time in seconds that never goes back.
    """

    def __init__(
        self, using: Using, after: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._using = using
        self._after = after
        self._clock = clock
        self._silent: dict[str, _Silence] = {}
        self.condition = Condition("lost nodes are not looked for", "lost nodes are looked for")

    def run(self) -> None:
        """Look who is silent; give back what those have left who have been so for long."""
        try:
            with self._using() as wiring:
                file = wiring.node_file
                if file is None or file.etcd is None:
                    return
                pace = Pace(file.etcd.timeout, _WHOLE)
                with wiring.connected(file.etcd.settings) as client:
                    self._look(client, Layout(file.etcd.prefix), pace, file.node)
        except SETBACKS as setback:
            self.condition.break_off(setback)
        else:
            self.condition.keep()

    def _look(self, client: Etcd, layout: Layout, pace: Pace, own: str) -> None:
        overview = Overview(client, layout, pace)
        census = overview.census()
        for node in self._lost(census, own):
            # Once per silence: reading all that stands of a node is dear.
            self._silent[node] = _Silence(self._silent[node].revision, self._clock())
            _give_back(overview, Operator(client, layout, pace), node)

    def _lost(self, census: Census, own: str) -> Iterator[str]:
        """Yield who has been silent for long enough; nobody is where no agent beats."""
        now = self._clock()
        self._silent = {
            name: known
            if (known := self._silent.get(name)) and known.revision == stored.revision
            else _Silence(stored.revision, now)
            for name, stored in census.nodes.items()
            if name != own and census.is_silent(name)
        }
        for name, silence in list(self._silent.items()):
            if now - silence.since >= self._after:
                yield name


def _give_back(overview: Overview, operator: Operator, node: str) -> None:
    try:
        lost = proven(remains(overview, node), overview.layout, fenced=False)
    except UnprovenError as error:
        log.info("node %s has been silent for long, and keeps what it has: %s", node, error)
        return
    for step in operator.reclaim(lost, QUARANTINE):
        log.warning("node %s is gone: %s", node, step.what)
