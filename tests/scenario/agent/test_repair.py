"""Attachments whose pods are gone are finished, and only those."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from cni.kernel.types import KernelError
from tests.scenario.agent.attendant import Attendant, freed, gone, keep_open, kept, searches
from tests.scenario.rail.test_del import attached
from tests.scenario.rail.test_interrupted import link_of, rewrite
from tests.scenario.rail.worlds import MemoryWorld, World

VF = "0000:3b:02.1"


def test_an_attachment_without_a_namespace_is_freed_after_the_grace_period(
    world: World, agent: Attendant
) -> None:
    gone(world)
    agent.does("repair")
    kept(world)
    agent.lets_pass()
    agent.does("repair")
    freed(world)
    assert agent.figure("reclaimed_attachments") == 1
    assert agent.figures("attachments") == {}
    assert agent.part.problems() == []


def test_its_vf_is_home_as_it_was(memory: MemoryWorld, agent: Attendant) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = memory.seen(name)
    given: dict[str, Any] = {"deviceID": VF, "mac": "02:00:00:00:60:01", "vlan": 100}
    assert memory.call("ADD", pod=pod, **given).exit_code == 0
    memory.delete_pod(pod)
    agent.repairs()
    freed(memory)
    assert memory.seen(name) == before
    pf = link_of(memory.kernel.host, "ens1f0")
    settings = memory.kernel.host.vf(pf.index, 0)
    assert settings is not None
    assert settings.vlan is not None
    assert settings.vlan.id == 0


def test_the_grace_period_must_have_passed(memory: MemoryWorld, agent: Attendant) -> None:
    gone(memory)
    agent.does("repair")
    for _ in range(9):
        agent.lets_pass(0.11)
        agent.does("repair")
    kept(memory)


def test_a_namespace_that_a_process_is_in_keeps_its_attachment(
    world: World, agent: Attendant
) -> None:
    device, pod = world.add_device(), world.add_pod()
    world.call("ADD", pod=pod, device=device)
    with ExitStack() as until:
        keep_open(world, pod, until)
        world.delete_pod(pod)
        agent.repairs()
        kept(world)
    agent.repairs()
    freed(world)


def test_a_living_pod_keeps_what_it_has(world: World, agent: Attendant) -> None:
    _, pod, _ = attached(world)
    agent.repairs()
    kept(world)
    assert world.in_pod(pod)[0] == ["lo", "net1"]
    assert agent.figures("attachments") == {("roce-a",): 1}


def test_one_look_that_finds_it_again_begins_the_grace_period_anew(
    memory: MemoryWorld, agent: Attendant
) -> None:
    _, pod, _ = attached(memory)
    netns = memory.kernel._at(pod)
    for paths in ([], [pod], []):
        netns.paths[:] = paths
        agent.lets_pass()
        agent.does("repair")
        kept(memory)


def test_a_namespace_that_is_back_when_its_locks_are_held_keeps_its_attachment(
    memory: MemoryWorld, agent: Attendant, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pod, _ = attached(memory)
    monkeypatch.setattr("cni.agent.repair.present", lambda _: frozenset())
    agent.repairs()
    kept(memory)
    assert memory.in_pod(pod)[0] == ["lo", "net1"]
    assert agent.figure("reclaimed_attachments") == 0


def test_an_agent_that_was_started_anew_begins_the_grace_period_anew(
    world: World, agent: Attendant
) -> None:
    gone(world)
    agent.does("repair")
    agent.lets_pass()
    agent.start()
    agent.does("repair")
    kept(world)
    agent.lets_pass()
    agent.does("repair")
    freed(world)


def test_a_record_that_has_changed_is_missed_anew(world: World, agent: Attendant) -> None:
    gone(world)
    agent.does("repair")
    agent.lets_pass()
    rewrite(world, pod_index=77)
    agent.does("repair")
    kept(world)


@pytest.mark.parametrize("lock", ["container", "device"])
def test_what_a_request_is_at_work_on_is_left_to_it(
    world: World, agent: Attendant, lock: str
) -> None:
    device = gone(world)
    locks = world.node.locks
    held = locks.container("c0") if lock == "container" else locks.device(f"dev-{device}")
    with held:
        agent.repairs()
        kept(world)
    agent.does("repair")
    freed(world)


def test_who_does_not_see_the_hosts_mounts_frees_nothing(world: World, agent: Attendant) -> None:
    gone(world, 0)
    gone(world, 1)
    rewritten = world.node.attachments.all()[0].model_copy(update={"boot_id": "earlier"})
    world.node.attachments.save(rewritten)
    agent.blindness = "it is in another mount namespace"
    agent.repairs()
    kept(world, 2)
    (problem,) = agent.part.problems()
    assert "it is in another mount namespace" in problem
    agent.blindness = ""
    agent.does("repair")  # and what was not seen then is no evidence
    kept(world, 1)
    assert agent.part.problems() == []


def test_a_namespace_that_cannot_be_looked_at_keeps_everything(
    memory: MemoryWorld, agent: Attendant, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone(memory)

    def search(_: object) -> None:
        raise KernelError("search all network namespaces", 13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(memory.kernel, "search", search)
        agent.repairs()
        kept(memory)
        (problem,) = agent.part.problems()
        assert "Permission denied" in problem
    agent.repairs()
    freed(memory)
    assert agent.part.problems() == []


@pytest.mark.parametrize(("dead", "alive", "alarms"), [(3, 0, 0), (4, 12, 0), (4, 11, 1)])
def test_too_many_at_once_are_more_likely_not_seen(
    agent: Attendant, caplog: pytest.LogCaptureFixture, dead: int, alive: int, alarms: int
) -> None:
    memory = agent.world
    for number in range(dead):
        gone(memory, number)
    for number in range(alive):
        pod = memory.add_pod()
        memory.call("ADD", pod=pod, device=memory.add_device(), container=f"alive{number}")
    agent.repairs()
    agent.does("repair")
    kept(memory, alive + dead * alarms)
    assert agent.figure("reclaim_alarm") == alarms
    said = [record.message for record in caplog.records if "alarm" in record.message]
    assert len(said) == len(agent.part.problems()) == alarms


def test_the_alarm_keeps_what_dead_requests_left_as_well(
    memory: MemoryWorld, agent: Attendant
) -> None:
    _, pod, _ = attached(memory)
    rewrite(memory, attached=False)
    for number in range(2, 6):
        gone(memory, number)
    agent.repairs()
    kept(memory, 5)
    assert memory.in_pod(pod)[0] == ["lo", "net1"]


def test_the_alarm_is_over_once_the_runtime_deletes_the_pods(
    memory: MemoryWorld, agent: Attendant, caplog: pytest.LogCaptureFixture
) -> None:
    devices = [gone(memory, number) for number in range(4)]
    agent.repairs()
    memory.call("DEL", pod="", device=devices[0], container="c0")
    with caplog.at_level("INFO"):
        agent.does("repair")
    freed(memory)
    assert agent.figure("reclaim_alarm") == 0
    assert "alarm: no longer: 4 of 4 attachments" in caplog.text


def test_what_an_earlier_boot_left_is_finished_at_once(world: World, agent: Attendant) -> None:
    for number in range(5):
        gone(world, number)
    for record in world.node.attachments.all():
        world.node.attachments.save(record.model_copy(update={"boot_id": "earlier"}))
    agent.does("repair")
    freed(world)
    assert agent.figure("reclaimed_attachments") == 5
    assert agent.figure("reclaim_alarm") == 0


def test_one_look_serves_all_attachments(memory: MemoryWorld, agent: Attendant) -> None:
    for number in range(5):
        memory.call("ADD", pod=memory.add_pod(), device=memory.add_device(), container=f"c{number}")
    assert searches(memory, agent) == 1


def test_without_attachments_there_is_nothing_to_look_at(
    memory: MemoryWorld, agent: Attendant
) -> None:
    assert searches(memory, agent) == 0
