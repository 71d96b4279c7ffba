"""What journals and the registry say in the end, and what they must agree on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from install.railctl.ipam.audit import audit
from ipam.blocks import State, Tenure
from ipam.etcd.client import EtcdClient
from ipam.registry.deadline import Deadline
from ipam.registry.overview import Overview
from ipam.registry.records import BlockRecord
from tests.chaos.check import Life, slot_of
from tests.chaos.fleet import BLOCK, FABRIC_OF, FABRICS
from tests.chaos.machine import Machine
from tests.chaos.restore import LAYOUT
from tests.etcd.cluster import Cluster

_WITHIN = 20.0
Slot = tuple[str, int]
"""Fabric and number."""
_KEPT_ASIDE = (State.RETIRED, State.LOST)


@dataclass(frozen=True, slots=True)
class Books:
    """A journal."""

    machine: str
    journal_id: str
    tenures: tuple[Tenure, ...]
    claims: dict[Slot, str]
    """The container of each."""
    tokens: frozenset[str]
    """Of claims of blocks whose answers never came."""
    untold: int

    def state_of(self, slot: Slot) -> State | None:
        """Return what the block of a slot is to this journal."""
        fabric, number = slot
        for tenure in self.tenures:
            span = tenure.block.span
            if tenure.block.fabric == fabric and span.first <= number <= span.last:
                return tenure.state
        return None


@dataclass(frozen=True, slots=True)
class Registered:
    """The registry."""

    blocks: dict[Slot, BlockRecord]
    """By their first slots."""
    claims: dict[Slot, str]
    contradictions: tuple[str, ...] = ()
    """What `railctl ipam verify --all` says."""
    frozen: bool = False

    def journal_of(self, slot: Slot) -> str:
        """Return whose block a slot lies in."""
        fabric, number = slot
        record = self.blocks.get((fabric, number - number % BLOCK))
        return record.journal if record else ""


def books_of(machine: Machine) -> Books:
    """Read a machine's journal."""
    with machine.journal() as journal, journal.rehearsal() as tx:
        intents = [tx.blocks.intent(fabric) for fabric in FABRICS]
        return Books(
            machine.name,
            tx.blocks.session().journal_id,
            tuple(tenure for fabric in FABRICS for tenure in tx.blocks.of(fabric)),
            {
                (fabric, slot): claim.container_id
                for fabric in FABRICS
                for slot in tx.slots_held(fabric)
                if (claim := tx.holder(fabric, slot))
            },
            frozenset(intent.token for intent in intents if intent),
            tx.outbox.count(),
        )


def registered(cluster: Cluster) -> Registered:
    """Read the registry."""
    with closing(EtcdClient(cluster.settings())) as etcd:
        overview = Overview(etcd, LAYOUT, Deadline(_WITHIN))
        definitions = {name: one.definition for name, one in overview.fabrics().items()}
        blocks, claims, singles = overview.blocks(), overview.claims(), overview.singles()
        frozen = overview.answers() is not None
        found = audit(definitions, blocks, claims, singles, overview.unreadable)
        return Registered(
            {(one.fabric, one.slot): one.record for one in blocks},
            {(one.fabric, one.slot): one.record.container for one in claims},
            tuple(difference.what for difference in found),
            frozen,
        )


def problems(books: Sequence[Books], registry: Registered, living: Sequence[Life]) -> Iterator[str]:
    """Name all that does not fit together once everything has been told."""
    yield from registry.contradictions
    if registry.frozen:
        yield "claims are still forbidden"
    for one in books:
        if one.untold:
            yield f"{one.machine} has {one.untold} slots still to tell of"
        yield from _unregistered(one, registry)
        yield from _unmirrored(one, registry)
    yield from _unknown(books, registry)
    yield from _stale(books, registry)
    yield from _forgotten({one.machine: one for one in books}, living)
    yield from _leaked(books, living)


def _unregistered(books: Books, registry: Registered) -> Iterator[str]:
    """Name the blocks that a node uses and that are not registered as its own."""
    for tenure in books.tenures:
        block = tenure.block
        owner = registry.journal_of((block.fabric, block.span.first))
        if tenure.state is State.LOST:
            yield f"{books.machine} has lost {block}"
        elif tenure.state in (State.OWNED, State.SPARE) and owner != books.journal_id:
            yield f"{books.machine} uses {block}, which is registered for {owner or 'nobody'}"


def _unmirrored(books: Books, registry: Registered) -> Iterator[str]:
    for slot, container in books.claims.items():
        if registry.claims.get(slot) != container:
            yield f"{books.machine} has {container} at {slot}, and the mirror has not"


def _unknown(books: Sequence[Books], registry: Registered) -> Iterator[str]:
    """Name the blocks of living journals that these do not know: nobody will ever use them."""
    journals = {one.journal_id: one for one in books}
    for slot, record in registry.blocks.items():
        owner = journals.get(record.journal)
        if record.size != BLOCK or slot[1] % BLOCK:
            yield f"the block at {slot} has {record.size} slots"
        if owner and owner.state_of(slot) is None and record.token not in owner.tokens:
            yield f"the block at {slot} is registered for {owner.machine}, which does not know it"


def _stale(books: Sequence[Books], registry: Registered) -> Iterator[str]:
    """Name what the mirror has and no journal, except where a journal was lost."""
    known = {(slot, container) for one in books for slot, container in one.claims.items()}
    for slot, container in registry.claims.items():
        aside = any(one.state_of(slot) in _KEPT_ASIDE for one in books)
        if (slot, container) not in known and not aside:
            yield f"the mirror has {container} at {slot}, and no journal has"


def _forgotten(books: dict[str, Books], living: Sequence[Life]) -> Iterator[str]:
    """Name the pods whose addresses their nodes would give to others."""
    for life in living:
        slot, own = (FABRIC_OF[life.rail], slot_of(life)), books[life.machine]
        if own.claims.get(slot) != life.container and own.state_of(slot) not in _KEPT_ASIDE:
            yield f"{own.machine} has forgotten {life}"


def _leaked(books: Sequence[Books], living: Sequence[Life]) -> Iterator[str]:
    """Name the claims of pods that are gone; what a lost journal had waits for the next boot."""
    held = {((FABRIC_OF[life.rail], slot_of(life)), life.container) for life in living}
    for one in books:
        for slot, container in one.claims.items():
            if (slot, container) not in held and one.state_of(slot) not in _KEPT_ASIDE:
                yield f"{one.machine} still has {container} at {slot}, whose pod is gone"
