"""A carrier that comes late: the addresses are announced then, once."""

from __future__ import annotations

import os
from ipaddress import ip_interface
from typing import TYPE_CHECKING

from cni.kernel.fake import FakeNamespace
from cni.kernel.types import KernelError
from cni.rail.attachment import Record
from tests.scenario.agent.attendant import Attendant
from tests.scenario.rail.test_interrupted import link_of
from tests.scenario.rail.worlds import MemoryWorld, World

if TYPE_CHECKING:
    import pytest


def late(world: World, number: int = 0) -> tuple[str, str]:
    """Attach a device without carrier; return it and its pod."""
    device, pod = world.add_device(), world.add_pod()
    host = world.kernel.host
    host.set_down(link_of(host, f"{device}p").index)
    reply = world.call("ADD", pod=pod, device=device, container=f"c{number}")
    assert reply.exit_code == 0, reply.document
    return device, pod


def connect(world: World, device: str, pod: str) -> None:
    """Let the carrier come."""
    host = world.kernel.host
    host.set_up(link_of(host, f"{device}p").index)
    with world.kernel.open(pod) as opened:
        assert opened.wait_for_carrier(link_of(opened, "net1").index, 2)


def test_addresses_are_announced_when_the_carrier_comes(world: World, agent: Attendant) -> None:
    device, pod = late(world)
    agent.does("announce")
    assert agent.figure("unannounced_attachments") == 1
    connect(world, device, pod)
    agent.does("announce")
    assert agent.figure("unannounced_attachments") == 0
    (record,) = world.node.attachments.all()
    assert not record.unannounced
    assert record.stands


def test_they_are_announced_once_and_by_the_pods_own_interface(
    memory: MemoryWorld, agent: Attendant
) -> None:
    device, pod = late(memory)
    agent.does("announce")
    assert not memory.kernel.announcements
    connect(memory, device, pod)
    for _ in range(3):
        agent.does("announce")
    (sent,) = memory.kernel.announcements
    assert (sent.device, sent.address) == ("net1", ip_interface("10.60.0.1/16"))


def test_with_carrier_add_announces_and_leaves_nothing_to_do(
    memory: MemoryWorld, agent: Attendant
) -> None:
    memory.call("ADD", pod=memory.add_pod(), device=memory.add_device())
    assert len(memory.kernel.announcements) == 1
    assert agent.figure("unannounced_attachments") == 0


def test_what_a_request_is_at_work_on_is_announced_afterwards(
    memory: MemoryWorld, agent: Attendant
) -> None:
    device, pod = late(memory)
    connect(memory, device, pod)
    with memory.node.locks.container("c0"):
        agent.does("announce")
        assert not memory.kernel.announcements
    agent.does("announce")
    assert len(memory.kernel.announcements) == 1


def test_a_pod_that_is_gone_is_told_nothing(
    world: World, agent: Attendant, caplog: pytest.LogCaptureFixture
) -> None:
    _, pod = late(world)
    world.delete_pod(pod)
    agent.does("announce")
    assert "cannot be announced" not in caplog.text


def test_another_pod_at_the_same_path_is_left_alone(memory: MemoryWorld, agent: Attendant) -> None:
    _, pod = late(memory)
    memory.delete_pod(pod)
    memory.kernel.add_namespace(pod)
    memory.kernel.add_veth("net1", "peer", path=pod)
    with memory.kernel.open(pod) as opened:
        for link in opened.links():
            opened.set_up(link.index)
    agent.does("announce")
    assert not memory.kernel.announcements


def test_one_that_cannot_be_announced_is_said_once_and_stops_nobody(
    memory: MemoryWorld,
    agent: Attendant,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(2):
        device, pod = late(memory, number)
        connect(memory, device, pod)
    real = FakeNamespace.announce

    def announce(self: FakeNamespace, index: int, addresses: tuple[object, ...]) -> None:
        if ip_interface("10.60.0.1/16") in addresses:
            raise KernelError("announce on net1", 100, "Network is down")
        real(self, index, addresses)  # type: ignore[arg-type]

    monkeypatch.setattr(FakeNamespace, "announce", announce)
    for _ in range(3):
        agent.does("announce")
    assert len(memory.kernel.announcements) == 1
    assert agent.figure("unannounced_attachments") == 1
    assert caplog.text.count("cannot be announced") == 1


def test_while_nothing_waits_no_record_is_read(
    memory: MemoryWorld, agent: Attendant, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.call("ADD", pod=memory.add_pod(), device=memory.add_device())
    agent.does("announce")
    reads = []
    real = memory.node.attachments.all

    def read() -> list[Record]:
        reads.append(1)
        return real()

    monkeypatch.setattr(memory.node.attachments, "all", read)
    agent.does("announce")
    assert not reads
    (file,) = memory.paths.attachments.glob("*.json")
    os.utime(file)
    agent.does("announce")
    assert len(reads) == 1
