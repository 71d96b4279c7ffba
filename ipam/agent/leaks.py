"""Addresses whose DEL never came: freed when their network namespace is gone for certain.

rail-ipam under another plugin leaves no record but the journal's, and not every runtime calls GC.
So the journal remembers in which namespace such an attachment is.  Without that nothing is freed,
and neither on a look that may have missed a namespace.
"""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeAlias

from ipam.agent.condition import SETBACKS, Condition
from ipam.agent.upkeep import Using
from ipam.journal.transaction import Held
from ipam.wiring import Wiring

log = logging.getLogger(__name__)

Namespaces: TypeAlias = Callable[[], frozenset[tuple[int, int, int]]]
"""Tells every network namespace that exists: device, inode, and cookie, 0 where that is not known.

Raises:
    OSError: some may be out of sight.
"""

PERIOD = 60.0
"""Seconds between looks."""
GRACE = 120.0
"""Seconds from the first look that has missed a namespace to the one that frees its addresses."""
_FEW = 3
_SHARE = 0.25
"""More than so many, and than this share of all, do not lose their DEL at once: something else is
wrong, and nothing is freed."""


class Leaks:
    """The attachments of this node that are left without a namespace.

    Args:
        using: uses the node's parts.
        namespaces: tells those that exist.
        tend: has the registry told of what was freed.
        clock: tells a time in seconds that never goes back.
    """

    def __init__(
        self,
        using: Using,
        namespaces: Namespaces,
        tend: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._using = using
        self._namespaces = namespaces
        self._tend = tend
        self._clock = clock
        self._missed: dict[Held, float] = {}
        self.freed = 0
        """How many attachments were taken off their slots."""
        self.alarm = ""
        """Why nothing is freed although there seems to be something; empty while that is not so."""
        self.condition = Condition("leaked addresses stay held", "leaked addresses are freed again")

    def run(self) -> None:
        """Look once; free what has been without a namespace for long enough."""
        try:
            with self._using() as wiring:
                self._look(wiring)
        except SETBACKS as setback:
            self.condition.break_off(setback)
        else:
            self.condition.keep()

    def _look(self, wiring: Wiring) -> None:
        if not wiring.paths.journal.exists():
            return
        # What is held was attached before the namespaces are listed: theirs are among them.
        known = _remembered(wiring)
        existing = self._namespaces()
        _refuse_blind(existing)
        now = self._clock()
        self._missed = {held: self._missed.get(held, now) for held in without(known, existing)}
        leaked = [held for held, since in self._missed.items() if now - since >= GRACE]
        former, self.alarm = self.alarm, suspicion(len(leaked), len(known))
        if self.alarm:
            if not former:
                log.error("%s", self.alarm)
            return
        if leaked:
            self._free(wiring, leaked)

    def _free(self, wiring: Wiring, leaked: Sequence[Held]) -> None:
        with wiring.journal() as journal, journal.transaction() as tx:
            # A DEL may have come meanwhile, or another ADD.
            freed = [held for held in leaked if tx.held(held.attachment) == held]
            for held in freed:
                tx.detach(held, wiring.now())
        for held in freed:
            key = held.attachment
            log.warning(
                "slot %d of fabric %s is freed: %s of container %s (network %s) never had its DEL, "
                "and its network namespace is gone",
                held.slot, held.fabric, key.ifname, key.container_id, key.network,
            )  # fmt: skip
        self.freed += len(freed)
        self._tend()


def without(known: Collection[Held], existing: Collection[tuple[int, int, int]]) -> list[Held]:
    """Return the attachments whose namespace is not among the existing ones.

    The kernel gives an inode again: with a cookie on both sides, that decides.
    """
    cookies: dict[tuple[int, int], set[int]] = {}
    for device, inode, cookie in existing:
        cookies.setdefault((device, inode), set()).add(cookie)
    return [
        held
        for held in known
        if held.sandbox and not _is_there(held.sandbox[2], cookies.get(held.sandbox[:2], set()))
    ]


def suspicion(leaked: int, known: int) -> str:
    """Return why so many of the known attachments cannot have leaked, empty when they can."""
    if leaked <= _FEW or leaked <= known * _SHARE:
        return ""
    return (
        f"{leaked} of {known} attachments are without their network namespace, and so many at "
        "once do not: nothing is freed (if they are gone for certain: railctl ipam release)"
    )


def _is_there(cookie: int, found: Collection[int]) -> bool:
    return bool(found) and (not cookie or 0 in found or cookie in found)


def _remembered(wiring: Wiring) -> list[Held]:
    boot_id = wiring.boot_id()
    with wiring.journal() as journal, journal.rehearsal() as tx:
        return [held for held in tx.all_held() if held.sandbox and held.since.boot_id == boot_id]


def _refuse_blind(existing: Collection[tuple[int, int, int]]) -> None:
    """Raise when not even this process's own namespace was seen (OSError)."""
    own = Path("/proc/self/ns/net").stat()
    if not any((device, inode) == (own.st_dev, own.st_ino) for device, inode, _ in existing):
        raise OSError(
            errno.ENOENT, "a look at all network namespaces has missed this process's own"
        )
