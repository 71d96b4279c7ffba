"""What a node has of each fabric, from one look into its journal."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cni.protocol.errors import CniError
from ipam.agent.upkeep import Using
from ipam.blocks import State
from ipam.ranges import Fabric, Spans, intersect
from ipam.wiring import Wiring

if TYPE_CHECKING:
    from ipam.definition import Definition
    from ipam.journal.transaction import Moment, Transaction

QUARANTINE = 60 * 10**9
"""Nanoseconds that a freed slot rests where its network does not say otherwise."""
_AGE = 2.0
"""Seconds for which a look holds."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What a node has of one fabric."""

    fabric: str
    shared: bool
    held: int
    free: int
    """Slots that it can give out at once and without asking anybody, those of a spare included."""
    quarantined: int
    """The same, but freed less than `QUARANTINE` ago."""
    blocks: Mapping[State, int]
    all_blocks: int
    """How many blocks all nodes together may have; 0 for a fabric that is this node's alone."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What a journal says."""

    stocks: tuple[Stock, ...] = ()
    outbox: int = 0
    """What the registry is still to be told."""


class Shelf:
    """The last look into the journal; another one is taken when it is asked for and that is old.

    Args:
        using: uses the node's parts.
        clock: tells a time in seconds that never goes back.
    """

    def __init__(self, using: Using, clock: Callable[[], float] = time.monotonic) -> None:
        self._using = using
        self._clock = clock
        self._lock = threading.Lock()
        self._survey: Survey | None = None
        self._until = float("-inf")

    def look(self) -> Survey | None:
        """Return what the journal says, None when it cannot be read."""
        if not self._lock.acquire(blocking=False):
            return self._survey  # one look at a time: the journal may be long in coming
        try:
            if self._clock() >= self._until:
                try:
                    with self._using() as wiring:
                        self._survey = _survey(wiring)
                except (CniError, OSError):
                    self._survey = None  # each request says why
                self._until = self._clock() + _AGE
            return self._survey
        finally:
            self._lock.release()


def _survey(wiring: Wiring) -> Survey:
    if not wiring.paths.journal.exists():
        return Survey()
    try:
        definitions = wiring.node_file.definitions if wiring.node_file else {}
    except CniError:
        definitions = {}
    with wiring.journal() as journal, journal.rehearsal() as tx:
        stocks = tuple(take_stock(tx, wiring.now(), definitions))
        return Survey(stocks, tx.outbox.count())


def take_stock(
    tx: Transaction, now: Moment, definitions: Mapping[str, Definition]
) -> Iterator[Stock]:
    """Yield what a node has of each fabric that its journal knows.

    Args:
        tx: the journal.
        now: in which boot.
        definitions: the fabrics that the node file declares.
    """
    for fabric, rails in sorted(tx.rails().items()):
        declared = definitions.get(fabric)
        usable = declared.usable if declared else Fabric(fabric, tuple(rails.values())).usable
        free, quarantined = _free(tx, fabric, usable, now)
        yield Stock(
            fabric,
            tx.blocks.shared(fabric),
            tx.count_held(fabric),
            free,
            quarantined,
            Counter(tenure.state for tenure in tx.blocks.of(fabric)),
            _size(declared.roomy_blocks) if declared and tx.blocks.shared(fabric) else 0,
        )


def _free(tx: Transaction, fabric: str, usable: Spans, now: Moment) -> tuple[int, int]:
    if not tx.blocks.usable(fabric, now.boot_id):
        return 0, 0
    spares = tuple(
        tenure.block.span for tenure in tx.blocks.of(fabric) if tenure.state is State.SPARE
    )
    freed = [tx.pool.count_freed(fabric, span, now.ns - QUARANTINE) for span in usable]
    untouched = _size(intersect(tx.pool.fresh_runs(fabric), usable))
    kept = _size(intersect(spares, usable))
    return untouched + kept + sum(early for early, _ in freed), sum(late for _, late in freed)


def _size(spans: Spans) -> int:
    return sum(span.last - span.first + 1 for span in spans)
