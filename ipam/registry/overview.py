"""What a person asks of the registry: all that stands in it, as it was at one revision.

It reads and changes nothing.  A value that cannot be read is noted and left out, so that one bad
key does not hide the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ipam.definition import Definition
from ipam.etcd.interface import Etcd, Get, Keys, KeyValue
from ipam.ranges import Span
from ipam.registry.deadline import Deadline
from ipam.registry.fabrics import decode
from ipam.registry.interface import RegistryError
from ipam.registry.keys import Layout, slot_of
from ipam.registry.records import (
    AnswerRecord,
    BlockRecord,
    ClaimRecord,
    FrozenRecord,
    NodeRecord,
    Record,
    RecordError,
    StaticRecord,
    StickyRecord,
    now,
)
from ipam.registry.reports import ReportRecord

_PAGE = 1000
"""Keys that are read in one go."""

R = TypeVar("R", bound=Record)


class Pace(Deadline):
    """A time by which all must be done, and one for each call.

    Args:
        each: seconds that one call may take.
        whole: seconds for all of them.
    """

    def __init__(self, each: float, whole: float) -> None:
        super().__init__(whole)
        self._each = each

    def left(self) -> float:
        """Return the seconds that the next call may take (UnavailableError when none are left)."""
        return min(self._each, super().left())


@dataclass(frozen=True, slots=True)
class Stored(Generic[R]):
    """A key and what it says."""

    entry: KeyValue
    record: R

    @property
    def key(self) -> str:
        """The whole key."""
        return self.entry.key

    @property
    def revision(self) -> int:
        """The revision of its last change."""
        return self.entry.mod_revision

    @property
    def slot(self) -> int:
        """The slot that its key ends with."""
        return slot_of(self.entry.key)

    @property
    def fabric(self) -> str:
        """The fabric that its key names in front of the slot."""
        return self.entry.key.split("/")[-2]


@dataclass(frozen=True, slots=True)
class StoredFabric:
    """A fabric's definition, and the revision at which it was put."""

    definition: Definition
    revision: int


@dataclass(frozen=True, slots=True)
class Census:
    """The nodes that have ever joined, and those that are alive."""

    nodes: dict[str, Stored[NodeRecord]]
    heartbeats: dict[str, Stored[NodeRecord]]

    def beats(self, node: str) -> bool:
        """Tell whether a node has a heartbeat."""
        return node in self.heartbeats

    def is_silent(self, node: str) -> bool:
        """Tell whether a node has no heartbeat and others do: where no agent runs, nobody has."""
        return bool(self.heartbeats) and not self.beats(node)


@dataclass(frozen=True, slots=True)
class Place:
    """All that the registry says of one slot."""

    claim: Stored[ClaimRecord] | None
    """In the mirror."""
    single: Stored[StaticRecord] | None
    """Claimed by itself."""
    block: Stored[BlockRecord] | None
    """That it lies in."""
    rests: bool
    """The block was reclaimed a moment ago."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Where the cluster stands after etcd was restored from a backup."""

    frozen: Stored[FrozenRecord]
    census: Census
    given: dict[str, Stored[AnswerRecord]]
    """Of each node, what it has answered to this `frozen`."""
    revision: int
    """At which all this was read."""

    @property
    def missing(self) -> list[str]:
        """The nodes that have not answered."""
        return sorted(self.census.nodes.keys() - self.given.keys())

    @property
    def conflicts(self) -> dict[str, tuple[str, ...]]:
        """The nodes some of whose blocks somebody else has by now, and which."""
        return {
            node: answer.record.conflicts
            for node, answer in self.given.items()
            if answer.record.conflicts
        }


class Overview:
    """The registry, read at the revision of the first reading.

    Args:
        etcd: the store.
        layout: its keys.
        deadline: when to give up.
        noted: is told how many keys have been read.

    Raises:
        EtcdError: each of its methods.
    """

    def __init__(
        self,
        etcd: Etcd,
        layout: Layout,
        deadline: Deadline,
        noted: Callable[[int], None] | None = None,
    ) -> None:
        self.layout = layout
        self.revision = 0
        """0 until something was read."""
        self.read_at = ""
        self.unreadable: list[str] = []
        """What is wrong with each value that is none of ours."""
        self._etcd = etcd
        self._deadline = deadline
        self._noted = noted
        self._count = 0

    def entries(self, keys: Keys, *, keys_only: bool = False) -> Iterator[KeyValue]:
        """Yield all keys of a range."""
        while True:
            get = Get(keys, limit=_PAGE, keys_only=keys_only, revision=self.revision)
            listing = self._etcd.get(get, self._deadline.left())
            if not self.revision:
                self.revision, self.read_at = listing.revision, now()
            found = listing.found
            self._count += len(found.entries)
            if self._noted:
                self._noted(self._count)
            yield from found.entries
            if not found.more:
                return
            keys = replace(keys, first=found.entries[-1].key + "\0")

    def census(self) -> Census:
        """Return the nodes."""
        return Census(
            self._by_name(NodeRecord, self.layout.node()),
            self._by_name(NodeRecord, self.layout.heartbeat()),
        )

    def reports(self) -> dict[str, Stored[ReportRecord]]:
        """Return what each node's doctor has found."""
        return self._by_name(ReportRecord, self.layout.report())

    def fabrics(self) -> dict[str, StoredFabric]:
        """Return the definition of each fabric."""
        found = {}
        for entry in self.entries(Keys.below(self.layout.fabric())):
            try:
                definition = decode(entry.key, entry.value)
            except RegistryError as error:
                self.unreadable.append(str(error))
            else:
                found[definition.name] = StoredFabric(definition, entry.mod_revision)
        return found

    def blocks(self, fabric: str = "") -> list[Stored[BlockRecord]]:
        """Return the blocks of a fabric, or all."""
        return self._all(BlockRecord, self._of("blocks", fabric))

    def claims(self, fabric: str = "", span: Span | None = None) -> list[Stored[ClaimRecord]]:
        """Return what the mirror has of a fabric, of a run of its slots, or of all."""
        return self._all(
            ClaimRecord, self.layout.claims(fabric, span) if span else self._of("claims", fabric)
        )

    def claimed(self, fabric: str) -> list[int]:
        """Return the slots that the mirror has of a fabric; it reads no values."""
        return [
            slot_of(one.key) for one in self.entries(self.layout.claims(fabric), keys_only=True)
        ]

    def singles(self, fabric: str = "") -> list[Stored[StaticRecord]]:
        """Return the addresses of a fabric, or of all, that are claimed by themselves."""
        return self._all(StaticRecord, self._of("static", fabric))

    def sticky(self) -> list[Stored[StickyRecord]]:
        """Return which pods get their slots again."""
        return self._all(StickyRecord, self._of("sticky", ""))

    def resting(self, fabric: str) -> list[int]:
        """Return the first slots of the blocks that were reclaimed a moment ago."""
        return [slot_of(one.key) for one in self.entries(self._of("resting", fabric))]

    def place(self, definition: Definition, slot: int) -> Place:
        """Return all that stands about one slot."""
        layout, name = self.layout, definition.name
        span = definition.block_of(slot)
        return Place(
            self._one(ClaimRecord, layout.claim(name, slot)),
            self._one(StaticRecord, layout.static(name, slot)),
            self._one(BlockRecord, layout.block(name, span)),
            bool(list(self.entries(Keys(layout.resting(name, span))))),
        )

    def answers(self) -> Answers | None:
        """Return where the cluster stands after a restore, None when nothing forbids claims."""
        frozen = self._one(FrozenRecord, self.layout.frozen)
        if frozen is None:
            return None
        given = self._by_name(AnswerRecord, self.layout.answer())
        return Answers(
            frozen,
            self.census(),
            {n: one for n, one in given.items() if one.record.frozen == frozen.revision},
            self.revision,
        )

    def _of(self, kind: str, fabric: str) -> Keys:
        return Keys.below(
            f"{self.layout.prefix}{kind}/{fabric}/" if fabric else f"{self.layout.prefix}{kind}/"
        )

    def _all(self, kind: type[R], keys: Keys) -> list[Stored[R]]:
        return list(self._read(kind, keys))

    def _one(self, kind: type[R], key: str) -> Stored[R] | None:
        return next(self._read(kind, Keys(key)), None)

    def _by_name(self, kind: type[R], prefix: str) -> dict[str, Stored[R]]:
        found = self._read(kind, Keys.below(prefix))
        return {one.key.removeprefix(prefix): one for one in found}

    def _read(self, kind: type[R], keys: Keys) -> Iterator[Stored[R]]:
        for entry in self.entries(keys):
            try:
                yield Stored(entry, kind.decode(entry.key, entry.value))
            except RecordError as error:
                self.unreadable.append(str(error))


def span_of(block: Stored[BlockRecord]) -> Span:
    """Return the slots of a block."""
    return Span(block.slot, block.slot + block.record.size - 1)
