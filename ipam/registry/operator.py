"""What a person changes in the registry: a lost node's blocks, a freeze, a fabric's definition.

Each change is conditional on what it was decided by, and says what has come of it: who is
interrupted does the same again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ipam.agreement import newly_withheld
from ipam.definition import Definition
from ipam.etcd.interface import (
    Delete,
    Done,
    Etcd,
    Found,
    Get,
    Keys,
    Operation,
    Put,
    Txn,
    modified_at,
    none_in,
)
from ipam.ranges import Span, Spans, joined
from ipam.registry.deadline import Deadline
from ipam.registry.fabrics import encode, refuse_overlap, untouched
from ipam.registry.interface import RegistryError
from ipam.registry.keys import Layout, slot_of
from ipam.registry.lost import Reclaim
from ipam.registry.overview import Answers, Stored, StoredFabric, span_of
from ipam.registry.records import BlockRecord, ClaimRecord, Record, StaticRecord, StickyRecord, now

STICKY_KEPT = 14400
"""Seconds that a lost pod's sticky address waits for it: as `stickyTTL` is when nothing is said."""
_RUNS = 100
"""Runs of blocks that one change may take slots out of: etcd takes 128 operations."""
_BATCH = 60
_NAMED = 5
"""Blocks that an error names."""


class RestingRecord(Record):
    """`resting/FABRIC/SLOT`: a block that nobody may claim until its lease ends."""

    node: str
    """Whose it was."""
    since: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was to be done, and what came of it."""

    what: str
    done: bool = True


class Operator:
    """The registry, as a person changes it.

    Args:
        etcd: the store.
        layout: its keys.
        deadline: when to give up.

    Raises:
        RegistryError, EtcdError: each of its methods; after the latter it is not known whether the
            change under way was made, or will be.
    """

    def __init__(self, etcd: Etcd, layout: Layout, deadline: Deadline) -> None:
        self._etcd = etcd
        self._layout = layout
        self._deadline = deadline

    # ── a lost node ───────────────────────────────────────────────────────────────────────────

    def reclaim(self, lost: Reclaim, quarantine: int) -> Iterator[Step]:
        """Give back what a lost node has, one thing at a time.

        First the turns of its journals end, so that nothing that it sent is applied any more; its
        own record goes last, so that it is found again as long as anything is left.

        Args:
            lost: what goes, and the proof that it may.
            quarantine: seconds in which nobody claims its blocks; 0 for none.
        """
        if lost.journals:
            writers = [Delete(Keys(self._layout.writer(journal))) for journal in lost.journals]
            self._or_refuse(lost, tuple(writers))
        for block in lost.blocks:
            yield self._give_back(lost, block, quarantine)
        for single in lost.singles:
            yield self._release(lost, single)
        yield from self._forget_claims(lost)
        if lost.farewell:
            keys = (self._layout.node(lost.node), self._layout.answer(lost.node))
            self._or_refuse(lost, tuple(Delete(Keys(key)) for key in keys))
            yield Step(f"node {lost.node} is forgotten")

    def _give_back(self, lost: Reclaim, block: Stored[BlockRecord], quarantine: int) -> Step:
        span, fabric = span_of(block), block.fabric
        operations: list[Operation] = [
            Delete(Keys(block.key)),
            Delete(self._layout.claims(fabric, span)),
        ]
        what, lease = f"block {span.first}-{span.last} of fabric {fabric}", 0
        if quarantine:
            lease = self._etcd.grant(quarantine, self._deadline.left())
            resting = RestingRecord(node=lost.node, since=now()).encode()
            operations.append(Put(self._layout.resting(fabric, span), resting, lease))
        if self._done(lost, block, tuple(operations)):
            rests = f", and rests for {quarantine} s" if quarantine else ""
            return Step(f"{what} is free{rests}")
        if lease:
            self._etcd.revoke(lease, self._deadline.left())
        return Step(f"{what} stays: it has changed meanwhile", done=False)

    def _release(self, lost: Reclaim, single: Stored[StaticRecord]) -> Step:
        """End a claim on an address by itself; a sticky one is kept for its pod for a while."""
        record, fabric, slot = single.record, single.fabric, single.slot
        what, fate = f"slot {slot} of fabric {fabric}", "is free"
        operations: tuple[Operation, ...] = (Delete(Keys(single.key)),)
        if record.sticky:
            lease = self._etcd.grant(STICKY_KEPT, self._deadline.left())
            kept = record.model_copy(update={"released": True})
            sticky = self._layout.sticky(fabric, record.sticky)
            operations = (
                Put(single.key, kept.encode(), lease),
                Put(sticky, StickyRecord(slot=slot).encode(), lease),
            )
            fate = f"is kept for pod {record.sticky} for {STICKY_KEPT} s"
        if self._done(lost, single, operations):
            return Step(f"{what} {fate}")
        return Step(f"{what} stays: it has changed meanwhile", done=False)

    def _forget_claims(self, lost: Reclaim) -> Iterator[Step]:
        """Take out of the mirror what the node had in blocks that are not its own any more."""
        for start in range(0, len(lost.claims), _BATCH):
            batch = lost.claims[start : start + _BATCH]
            self._or_refuse(lost, tuple(map(_forget, batch)))
            yield Step(f"claims outside its blocks are out of the mirror: {len(batch)}")

    def _done(
        self,
        lost: Reclaim,
        thing: Stored[BlockRecord] | Stored[StaticRecord],
        operations: tuple[Operation, ...],
    ) -> bool:
        """Change a thing while it is as it was read; tell whether it then is no longer so."""
        self._or_refuse(lost, (Txn((modified_at(thing.key, thing.revision),), operations),))
        [found] = self._look(Get(Keys(thing.key)))
        if isinstance(thing.record, StaticRecord):
            return not any(_unreleased(thing, one.value) for one in found.entries)
        return not found.entries

    def _or_refuse(self, lost: Reclaim, operations: tuple[Operation, ...]) -> None:
        """Do operations while the proof holds (RegistryError)."""
        outcome = self._etcd.txn(Txn(lost.proof, operations), self._deadline.left())
        if not outcome.done.succeeded:
            raise RegistryError(
                f"node {lost.node} has joined or come to life meanwhile: nothing more is taken"
            )

    # ── a restored etcd ───────────────────────────────────────────────────────────────────────

    def lift(self, answers: Answers) -> bool:
        """Allow claims again, if all stands as it was read; tell whether it was so."""
        frozen = answers.frozen
        answered = Keys.below(self._layout.answer())
        guards = (
            modified_at(frozen.key, frozen.revision),
            untouched(answered, answers.revision),
            untouched(Keys.below(self._layout.node()), answers.revision),
        )
        gone = (Delete(Keys(frozen.key)), Delete(answered))
        look = (Get(Keys(frozen.key), keys_only=True),)
        outcome = self._etcd.txn(Txn(guards, gone, look), self._deadline.left())
        return outcome.done.succeeded or not _found(outcome.done)[0].entries

    # ── a fabric's definition ─────────────────────────────────────────────────────────────────

    def change(self, before: StoredFabric, after: Definition) -> int:
        """Put a fabric's next definition; return its revision.

        Args:
            before: as it was read.
            after: one that may follow it (`agreement.change_problems`).

        Raises:
            RegistryError: it has changed meanwhile, nodes own blocks that would lose slots, or
                another fabric has addresses of it.
        """
        layout, name = self._layout, after.name
        key, ranges = layout.fabric(name), withheld_blocks(before.definition, after)
        if len(ranges) > _RUNS:
            raise RegistryError(
                f"fabric {name} would lose slots in {len(ranges)} runs of blocks, expected at most "
                f"{_RUNS}: change it in several steps"
            )
        runs = [layout.blocks(name, span) for span in ranges]
        fabrics = Keys.below(layout.fabric())
        stored = self._etcd.get(Get(fabrics), self._deadline.left())
        refuse_overlap(after, stored.found.entries)
        others = untouched(fabrics, stored.revision)
        outcome = self._etcd.txn(
            Txn(
                (modified_at(key, before.revision), others, *map(none_in, runs)),
                (Put(key, encode(after)),),
                (Get(Keys(key)), *map(Get, runs)),
            ),
            self._deadline.left(),
        )
        if outcome.done.succeeded:
            return outcome.revision
        stands, *owned = _found(outcome.done)
        entry = next(iter(stands.entries), None)
        if entry and entry.value == encode(after):
            return entry.mod_revision  # an earlier attempt of this very call
        if entry is None or entry.mod_revision != before.revision:
            raise RegistryError(f"fabric {name} was changed by somebody else meanwhile: look again")
        if not any(found.entries for found in owned):
            raise RegistryError("another fabric was changed meanwhile: look again")
        raise RegistryError(_owners(name, owned))

    def _look(self, *gets: Get) -> list[Found]:
        return _found(self._etcd.txn(Txn(then=gets), self._deadline.left()).done)


def withheld_blocks(before: Definition, after: Definition) -> Spans:
    """Return the runs of blocks that would lose slots, each from its first slot to its last."""
    return joined(
        Span(before.block_of(run.first).first, before.block_of(run.last).last)
        for run in newly_withheld(before, after)
    )


def _forget(claim: Stored[ClaimRecord]) -> Txn:
    return Txn((modified_at(claim.key, claim.revision),), (Delete(Keys(claim.key)),))


def _unreleased(thing: Stored[StaticRecord], value: bytes) -> bool:
    stands = StaticRecord.decode(thing.key, value)
    return not stands.released and stands.container == thing.record.container


def _owners(fabric: str, owned: Sequence[Found]) -> str:
    blocks = [
        (slot_of(entry.key), BlockRecord.decode(entry.key, entry.value).node)
        for found in owned
        for entry in found.entries
    ]
    named = ", ".join(
        f"the block from slot {slot} on (node {node})" for slot, node in blocks[:_NAMED]
    )
    more = f" and {len(blocks) - _NAMED} more" if len(blocks) > _NAMED else ""
    return (
        f"fabric {fabric} would lose slots of {named}{more}: pods may hold addresses there; "
        "drain those nodes until the blocks are returned, or choose other slots"
    )


def _found(done: Done) -> list[Found]:
    return [answer for answer in done.answers if isinstance(answer, Found)]
