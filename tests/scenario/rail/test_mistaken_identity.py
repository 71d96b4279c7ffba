"""A device is not taken for another one while it is waited for, nor because of its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from cni.host.locks import Locks
from cni.protocol.errors import Code
from cni.rail.node import Node
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.worlds import PF, MemoryWorld

VF = "0000:3b:02.1"


@dataclass
class Slow:
    """A node's locks; something happens while a device's is waited for."""

    real: Locks
    meanwhile: Callable[[], None]

    @contextmanager
    def container(self, container_id: str, *patience: float) -> Iterator[None]:
        with self.real.container(container_id, *patience):
            yield

    @contextmanager
    def device(self, name: str, *patience: float) -> Iterator[None]:
        self.meanwhile()
        with self.real.device(name, *patience):
            yield


def waiting(memory: MemoryWorld, meanwhile: Callable[[], None]) -> Node:
    return replace(memory.node, locks=Slow(memory.node.locks, meanwhile))  # type: ignore[arg-type]


def test_who_waited_for_a_device_has_it_from_when_the_wait_was_over(memory: MemoryWorld) -> None:
    device, pod = memory.add_device(), memory.add_pod()
    over: list[int] = []

    def wait() -> None:
        memory.kernel.advance(5)
        over.append(memory.kernel.uptime())

    node = waiting(memory, wait)
    assert memory.call("ADD", pod=pod, device=device, node=node).exit_code == 0
    (record,) = memory.node.attachments.all()
    assert over[0] <= record.started <= memory.kernel.uptime()


def test_what_became_another_device_meanwhile_is_not_taken_under_the_wrong_lock(
    memory: MemoryWorld,
) -> None:
    other, name, pod = memory.add_function("0000:3b:02.2"), "nic0", memory.add_pod()
    memory.kernel.add_physical(name)

    def plug_in() -> None:
        memory.kernel.delete_link(name)
        memory.kernel.add_virtual_function(PF, pci=VF, name=name)

    reply = memory.call("ADD", pod=pod, device=name, node=waiting(memory, plug_in))
    failed(reply, Code.TRY_AGAIN, name)
    assert sorted(memory.seen(name, other)) == sorted([name, other])
    assert (memory.records(), memory.held()) == ([], [])


def test_a_name_that_ends_like_another_devices_record_is_its_own(memory: MemoryWorld) -> None:
    for name in ("q.dev-b", "b"):
        link = memory.kernel.add_veth(name, f"{name}p")
        memory.kernel.host.set_up(link.lower)
    first = memory.call("ADD", pod=memory.add_pod(), device="q.dev-b")
    second = memory.call("ADD", pod=memory.add_pod(), device="b", container="c2")
    assert (first.exit_code, second.exit_code) == (0, 0), second.document
