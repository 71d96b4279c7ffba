"""Addresses claimed one by one in etcd: requested ones, and those that a pod gets again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from ipam.blocks import Single
from ipam.definition import Definition
from ipam.etcd.interface import (
    Compare,
    Delete,
    Etcd,
    Found,
    Get,
    Keys,
    KeyValue,
    Operation,
    Put,
    Txn,
    modified_at,
)
from ipam.ranges import Span
from ipam.registry.deadline import Deadline
from ipam.registry.interface import FullError, Mirrored, Node, TakenError
from ipam.registry.keys import Layout, slot_of
from ipam.registry.records import NodeRecord, Pod, StaticRecord, StickyRecord
from ipam.registry.writer import Writer

_WINDOW = 256
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Standing:
    """A single address as it stands in the registry."""

    entry: KeyValue | None
    record: StaticRecord | None
    node: KeyValue | None
    """What the holder's node says of itself."""
    alive: bool
    """The holder's node has a heartbeat."""

    @property
    def revision(self) -> int:
        return self.entry.mod_revision if self.entry else 0


class Singles:
    """Single addresses, as one node claims them.

    A held one carries no lease: it stays until its release, or until its holder's machine is proven
    to have rebooted since.  A released sticky one has a lease: etcd forgets it when its time is up.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it deals with
        self,
        etcd: Etcd,
        writer: Writer,
        layout: Layout,
        node: Node,
        deadline: Deadline,
        definitions: Mapping[str, Definition],
        lottery: random.Random,
    ) -> None:
        self._etcd = etcd
        self._writer = writer
        self._layout = layout
        self._node = node
        self._deadline = deadline
        self._definitions = definitions
        self._lottery = lottery

    def hold(self, single: Single, claim: Mirrored) -> None:
        """Claim an address for a container (TakenError, naming the holder)."""
        layout = self._layout
        key = layout.static(single.fabric, single.slot)
        mine = self._record(single, claim)
        for _ in range(_ATTEMPTS):
            standing = self._standing(key)
            guards = [modified_at(key, standing.revision), *self._proof(single, standing)]
            write: list[Operation] = [Put(key, mine.encode())]
            if single.sticky:
                sticky = layout.sticky(single.fabric, single.sticky)
                write.append(Put(sticky, StickyRecord(slot=single.slot).encode()))
            [found] = self._writer.turn((Txn(tuple(guards), tuple(write)),), (Get(Keys(key)),))
            record = _record(found)
            if record and self._is(record, single.container_id):
                return
        raise TakenError(f"{', '.join(claim.addresses)} changes hands all the time")

    def former_slot(self, fabric: str, pod: str) -> int | None:
        """Return the slot that a pod had and gets again."""
        key = self._layout.sticky(fabric, pod)
        [found] = self._writer.look(Get(Keys(key)))
        return next((StickyRecord.decode(key, one.value).slot for one in found.entries), None)

    def free_slot(self, fabric: str) -> int:
        """Return some slot of the static ranges that nobody has."""
        definition = self._definitions[fabric]
        for span in definition.requestable:
            for first in range(span.first, span.last + 1, _WINDOW):
                window = Span(first, min(first + _WINDOW - 1, span.last))
                keys = self._layout.statics(definition.name, window)
                [found] = self._writer.look(Get(keys, keys_only=True))
                taken = {slot_of(entry.key) for entry in found.entries}
                free = [s for s in range(window.first, window.last + 1) if s not in taken]
                if free:
                    return self._lottery.choice(free)
        raise FullError(f"every address of the static ranges of fabric {fabric} is taken")

    def release(self, single: Single) -> None:
        """End a container's claim; a sticky one is kept for its pod for a while."""
        key = self._layout.static(single.fabric, single.slot)
        # A turn, so that no late claim of this container is applied hereafter.
        [found] = self._writer.turn((), (Get(Keys(key)),))
        record = _record(found)
        if record is None or not self._was(record, single.container_id):
            return
        guard = modified_at(key, found.entries[0].mod_revision)
        self._writer.turn((Txn((guard,), self._farewell(single, key, record)),))

    def _farewell(self, single: Single, key: str, record: StaticRecord) -> tuple[Operation, ...]:
        sticky = self._layout.sticky(single.fabric, single.sticky)
        if not single.sticky:
            return (Delete(Keys(key)),)
        if single.ttl <= 0:
            return (Delete(Keys(key)), Delete(Keys(sticky)))
        lease = self._etcd.grant(single.ttl, self._deadline.left())
        kept = record.model_copy(update={"released": True})
        return (
            Put(key, kept.encode(), lease),
            Put(sticky, StickyRecord(slot=single.slot).encode(), lease),
        )

    def _standing(self, key: str) -> _Standing:
        [found] = self._writer.look(Get(Keys(key)))
        record = _record(found)
        if record is None:
            return _Standing(None, None, None, alive=False)
        node, heartbeat = self._writer.look(
            Get(Keys(self._layout.node(record.node))),
            Get(Keys(self._layout.heartbeat(record.node))),
        )
        about = node.entries[0] if node.entries else None
        return _Standing(found.entries[0], record, about, alive=bool(heartbeat.entries))

    def _proof(self, single: Single, standing: _Standing) -> list[Compare]:
        """Return what must go on being true for the holder to have gone (TakenError)."""
        record, node = standing.record, standing.node
        # Its own is claimed again: a release of it may be on its way, and only a write ends that.
        if record is None or self._is(record, single.container_id):
            return []
        if record.released and record.sticky == single.sticky:
            return []
        if not record.released and node:
            later = NodeRecord.decode(node.key, node.value)
            if record.of_dead_boot(later):
                return [modified_at(node.key, node.mod_revision)]
        raise TakenError(
            f"slot {single.slot} of fabric {single.fabric} is "
            + (f"kept for pod {record.sticky}" if record.released else f"held by {_who(record)}"),
            lost=not record.released and not standing.alive,
        )

    def _record(self, single: Single, claim: Mirrored) -> StaticRecord:
        node, pod = self._node, claim.pod
        return StaticRecord(
            node=node.name,
            hardware=node.hardware,
            boot=node.boot_id,
            journal=node.journal_id,
            container=single.container_id,
            pod=Pod(namespace=pod.namespace, name=pod.name, uid=pod.uid),
            sticky=single.sticky,
            since=claim.since,
        )

    def _is(self, record: StaticRecord, container_id: str) -> bool:
        return not record.released and (record.container, record.hardware, record.boot) == (
            container_id,
            self._node.hardware,
            self._node.boot_id,
        )

    def _was(self, record: StaticRecord, container_id: str) -> bool:
        """Tell whether a container of this machine has it, or had it in an earlier boot."""
        return not record.released and (record.container, record.journal) == (
            container_id,
            self._node.journal_id,
        )


def _who(record: StaticRecord) -> str:
    pod = f"{record.pod.namespace}/{record.pod.name}"
    return f"container {record.container} ({pod}) on node {record.node} since {record.since}"


def _record(found: Found) -> StaticRecord | None:
    return next((StaticRecord.decode(one.key, one.value) for one in found.entries), None)
