"""What the program rail-upkeep does, in the agent: soon after a request, and from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeAlias

from cni.protocol.errors import CniError, Code
from ipam.agent.condition import SETBACKS, Condition
from ipam.holding.upkeep import bring_up_to_date
from ipam.upkeep import RETURN_AFTER
from ipam.wiring import Wiring

Using: TypeAlias = Callable[[], AbstractContextManager[Wiring]]
"""Uses the node's parts, as the node file has them now."""

PERIOD = 10.0
"""Seconds between looks for what nobody has asked for: a block that is idle, an outbox that was
left by a process."""
TOGETHER = 0.05
"""Seconds in which requests that come together are waited for, so that they are told together."""
_STUCK = 60.0
"""Seconds after which another process that is at it is taken for stuck."""
_LONGEST = 30.0
"""Seconds of the longest pause while the registry is in the way."""


class Upkeep:
    """The upkeep of a node's blocks and of what the registry knows of them.

    Args:
        using: uses the node's parts.
        clock: tells a time in seconds that never goes back.
    """

    def __init__(self, using: Using, clock: Callable[[], float] = time.monotonic) -> None:
        self._using = using
        self._clock = clock
        self._pause = 0.0
        self._not_before = 0.0
        self._others_since: float | None = None
        self.condition = Condition(
            "the registry is not up to date", "the registry is up to date again"
        )

    def run(self) -> None:
        """Do what there is to do, unless it failed a moment ago."""
        if self._clock() < self._not_before:
            return
        time.sleep(TOGETHER)
        try:
            alone = self._attempt()
            self._refuse_stuck(alone=alone)
        except SETBACKS as setback:
            self.condition.break_off(setback)
            self._pause = min(self._pause * 2 or 1.0, _LONGEST)
            self._not_before = self._clock() + self._pause
        else:
            self._pause = self._not_before = 0.0
            if alone:
                self.condition.keep()

    def _attempt(self) -> bool:
        """Bring the registry up to date; tell whether no other process is at that."""
        with self._using() as wiring, wiring.locks.upkeep() as alone:
            if alone and wiring.paths.journal.exists():
                bring_up_to_date(wiring.shared_desk, RETURN_AFTER)
            return alone

    def _refuse_stuck(self, *, alone: bool) -> None:
        """Raise when another process has been at it for too long to get anywhere (CniError)."""
        now = self._clock()
        since = None if alone else self._others_since or now
        self._others_since = since
        if since is not None and now - since >= _STUCK:
            raise CniError(
                Code.TRY_AGAIN,
                f"another process has been at the upkeep of addresses for {now - since:.0f} s",
                "see who: lslocks | grep upkeep",
            )
