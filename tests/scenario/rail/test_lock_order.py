"""Every change is made under the locks of its container and device, taken in that order.

Whoever gets a lock reads again what it listed before: another request may have finished it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from cni.host.locks import Locks
from cni.protocol.errors import Code
from cni.rail.attachment import Record
from cni.rail.node import Node
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_del import attached
from tests.scenario.rail.worlds import MemoryWorld


@dataclass
class Watched:
    """A node's locks; what is held is known, and what happens once a device's lock is taken."""

    real: Locks
    held: list[str] = field(default_factory=list)
    patience: list[tuple[float, ...]] = field(default_factory=list)
    on_device: Callable[[], None] = lambda: None

    @contextmanager
    def container(self, container_id: str, *patience: float) -> Iterator[None]:
        self.patience.append(patience)
        with self.real.container(container_id, *patience), self._noted(container_id):
            yield

    @contextmanager
    def device(self, name: str, *patience: float) -> Iterator[None]:
        self.patience.append(patience)
        with self.real.device(name, *patience), self._noted(name):
            self.on_device()
            yield

    @contextmanager
    def _noted(self, name: str) -> Iterator[None]:
        self.held.append(name)
        yield
        self.held.pop()


@pytest.fixture
def watched(memory: MemoryWorld) -> Watched:
    return Watched(memory.node.locks)


def under(memory: MemoryWorld, watched: Watched) -> tuple[Node, set[tuple[str, ...]]]:
    """Return the node with these locks, and the locks that were held at any of its changes."""
    seen: set[tuple[str, ...]] = set()
    memory.kernel.machine.before_change = lambda _: seen.add(tuple(watched.held))
    return replace(memory.node, locks=watched), seen  # type: ignore[arg-type]


def record_of(memory: MemoryWorld) -> Record:
    (record,) = memory.node.attachments.all()
    return record


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_a_request_changes_nothing_without_both_locks(
    memory: MemoryWorld, watched: Watched, command: str
) -> None:
    device, pod = memory.add_device(), memory.add_pod()
    if command == "DEL":
        memory.call("ADD", pod=pod, device=device)
    node, seen = under(memory, watched)
    assert memory.call(command, pod=pod, device=device, node=node).exit_code == 0
    assert seen == {("c1", f"dev-{device}")}


def test_nor_does_gc(memory: MemoryWorld, watched: Watched) -> None:
    device, pod, _ = attached(memory)
    node, seen = under(memory, watched)
    none_valid: dict[str, Any] = {"cni.dev/valid-attachments": []}
    assert memory.call("GC", pod="", node=node, **none_valid).exit_code == 0
    assert memory.in_pod(pod)[0] == ["lo"]
    assert seen == {("c1", f"dev-{device}")}


def test_nor_does_an_add_that_first_finishes_its_own_with_another_device(
    memory: MemoryWorld, watched: Watched
) -> None:
    former, pod, before = attached(memory)
    memory.node.attachments.save(record_of(memory).model_copy(update={"attached": False}))
    device = memory.add_device()
    node, seen = under(memory, watched)
    assert memory.call("ADD", pod=pod, device=device, node=node).exit_code == 0
    assert memory.seen(former) == before
    assert seen == {("c1", f"dev-{former}"), ("c1", f"dev-{device}")}


def test_del_leaves_alone_what_another_request_has_finished_meanwhile(
    memory: MemoryWorld, watched: Watched
) -> None:
    device, pod, _ = attached(memory)
    record = record_of(memory)
    watched.on_device = lambda: memory.node.attachments.forget(record)
    node, seen = under(memory, watched)
    assert memory.call("DEL", pod=pod, device=device, node=node).exit_code == 0
    assert not seen


def test_add_leaves_alone_what_another_request_has_finished_meanwhile(
    memory: MemoryWorld, watched: Watched
) -> None:
    former, pod, _ = attached(memory)
    record = record_of(memory).model_copy(update={"attached": False})
    memory.node.attachments.save(record)
    watched.on_device = lambda: memory.node.attachments.forget(record)
    device = memory.add_device()
    node, seen = under(memory, watched)
    reply = memory.call("ADD", pod=pod, device=device, node=node)
    failed(reply, Code.INVALID_ENVIRONMENT, "net1")  # the former's, and no longer ours to move
    assert memory.kernel.host.find(former) is None
    assert not seen


@pytest.mark.parametrize("finished", [True, False])
def test_gc_leaves_alone_what_has_changed_meanwhile(
    memory: MemoryWorld,
    watched: Watched,
    finished: bool,  # noqa: FBT001 - a table's column
) -> None:
    _, pod, _ = attached(memory)
    record = record_of(memory)
    younger = record.model_copy(update={"started": record.started + 10**18})

    def meanwhile() -> None:
        if finished:
            memory.node.attachments.forget(record)
        else:
            memory.node.attachments.save(younger)

    watched.on_device = meanwhile
    node, seen = under(memory, watched)
    none_valid: dict[str, Any] = {"cni.dev/valid-attachments": []}
    assert memory.call("GC", pod="", node=node, **none_valid).exit_code == 0
    assert not seen
    assert memory.in_pod(pod)[0] == ["lo", "net1"]


def test_gc_waits_for_nobody(memory: MemoryWorld, watched: Watched) -> None:
    device, pod, _ = attached(memory)
    with memory.node.locks.device(f"dev-{device}"):
        node, _ = under(memory, watched)
        none_valid: dict[str, Any] = {"cni.dev/valid-attachments": []}
        assert memory.call("GC", pod="", node=node, **none_valid).exit_code == 0
    assert watched.patience == [(0,), (0,)]
    assert memory.in_pod(pod)[0] == ["lo", "net1"]
