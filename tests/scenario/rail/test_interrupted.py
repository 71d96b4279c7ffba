"""What a device is when it is home, whatever became of it and of its records in between."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import Link
from cni.protocol.errors import CniError, Code
from cni.rail import detach
from cni.rail.attachment import Record
from tests.scenario.rail.faults import Faults, Mode
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_del import attached, done
from tests.scenario.rail.worlds import LinuxWorld, MemoryWorld, World

VF = "0000:3b:02.1"


def link_of(namespace: Namespace, name: str) -> Link:
    link = namespace.find(name)
    assert link is not None
    return link


def rewrite(world: World, **changes: object) -> Record:
    """Change the one record, as a request that was killed would have left it; return it."""
    (record,) = world.node.attachments.all()
    changed = record.model_copy(update=changes)
    world.node.attachments.save(changed)
    return changed


def test_a_del_that_cannot_move_the_device_has_at_least_stopped_it(world: World) -> None:
    device, pod, before = attached(world, sourceRouting=True)
    counted = Faults()
    world.call("DEL", pod=pod, device=device, node=counted.around(world.node))
    world.call("ADD", pod=pod, device=device, sourceRouting=True)
    node = Faults(counted.calls.index("move")).around(world.node)
    assert world.call("DEL", pod=pod, device=device, node=node).exit_code == 1
    with world.kernel.open(pod) as opened:
        assert not link_of(opened, "net1").up
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_a_move_home_that_was_half_applied_is_completed_at_once(world: World) -> None:
    device, pod, before = attached(world, "another")
    counted = Faults()
    world.call("DEL", pod=pod, device=device, node=counted.around(world.node))
    world.call("ADD", pod=pod, device=device)
    node = Faults(counted.calls.index("move"), Mode.HALF).around(world.node)
    assert world.call("DEL", pod=pod, device=device, node=node).exit_code == 0
    done(world, device, before)


def test_an_altname_that_udev_gave_back_first_is_no_obstacle(memory: MemoryWorld) -> None:
    device, pod, before = attached(memory, "another")
    host = memory.kernel.host

    def udev(verb: str) -> None:
        if "property add" in verb:
            memory.kernel.machine.before_change = lambda _: None
            host.add_altname(link_of(host, device).index, "another")

    memory.kernel.machine.before_change = udev
    assert memory.call("DEL", pod=pod, device=device).exit_code == 0
    done(memory, device, before)


def test_up_again_once_its_name_is_free(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    host = world.kernel.host
    host.set_up(link_of(host, device).index)
    before = world.seen(device)
    world.call("ADD", pod=pod, device=device)
    usurper = world.add_device()
    host.rename(link_of(host, usurper).index, device)
    world.call("DEL", pod=pod, device=device)
    host.rename(link_of(host, device).index, usurper)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_its_own_name_as_an_altname_is_no_obstacle(world: World) -> None:
    device, pod, before = attached(world)
    usurper = world.add_device()
    host = world.kernel.host
    host.rename(link_of(host, usurper).index, device)
    world.call("DEL", pod=pod, device=device)
    (record,) = world.node.attachments.all()
    host.rename(link_of(host, device).index, usurper)
    # As udev does with a device that appears under another name.
    host.add_altname(link_of(host, detach.temporary_name(record)).index, device)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_down_again_where_it_was_down_before(world: World) -> None:
    device, pod, before = attached(world)
    (record,) = world.node.attachments.all()
    world.call("DEL", pod=pod, device=device)
    # As an ADD that was killed before it moved anything, and a host that sets up what it sees.
    world.node.attachments.save(record.model_copy(update={"attached": False, "pod_index": 0}))
    world.kernel.host.set_up(link_of(world.kernel.host, device).index)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)


def test_a_newer_del_is_not_held_up_by_an_older_record(world: World) -> None:
    device, pod, before = attached(world)
    (old,) = world.node.attachments.all()
    world.call("DEL", pod=pod, device=device)
    world.call("ADD", pod=pod, device=device, container="c2")
    world.node.attachments.save(old)  # as if that DEL had been lost
    assert world.call("DEL", pod=pod, device=device, container="c2").exit_code == 0
    assert world.in_pod(pod)[0] == ["lo"]
    assert world.seen(device) == before


def test_another_device_of_the_same_name_does_not_keep_the_first_from_coming_home(
    world: World,
) -> None:
    device, pod, before = attached(world)
    host, other_pod, usurper = world.kernel.host, world.add_pod(), world.add_device()
    host.rename(link_of(host, usurper).index, device)
    reply = world.call("ADD", pod=other_pod, device=device, container="c2")
    assert reply.exit_code == 0, reply.document
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    assert world.in_pod(pod)[0] == ["lo"]
    assert world.in_pod(other_pod)[0] == ["lo", "net1"]
    assert world.seen(device) == before


def test_a_function_that_comes_home_a_little_later_is_waited_for(
    memory: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF)
    with ExitStack() as last_user:
        last_user.enter_context(memory.kernel.open(pod))
        memory.delete_pod(pod)
        monkeypatch.setattr(time, "sleep", lambda _: last_user.close())
        assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    done(memory, name, before)


def test_a_namespace_that_is_mounted_elsewhere_by_now_is_found(memory: MemoryWorld) -> None:
    device, pod, before = attached(memory)
    memory.kernel.add_path(pod, "/proc/4711/ns/net")
    memory.delete_pod(pod)
    assert memory.call("DEL", pod=pod, device=device).exit_code == 0
    done(memory, device, before)


def test_rules_that_are_gone_already_are_no_error_and_others_are(world: World) -> None:
    device, pod, before = attached(world, sourceRouting=True)
    (record,) = world.node.attachments.all()
    with world.kernel.open(pod) as opened:
        opened.remove_rule(record.rules[0])
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    done(world, device, before)

    world.call("ADD", pod=pod, device=device, sourceRouting=True)
    counted = Faults()
    world.call("DEL", pod=pod, device=device, node=counted.around(world.node))
    world.call("ADD", pod=pod, device=device, sourceRouting=True)
    node = Faults(counted.calls.index("remove_rule")).around(world.node)
    assert world.call("DEL", pod=pod, device=device, node=node).exit_code == 1
    assert len(world.records()) == 1


class Deaf:
    """An IPAM plugin that remembers what it was asked, and may refuse to release."""

    def __init__(self, real: Any, *, refuses: bool = False) -> None:
        self.released: list[Any] = []
        self._real = real
        self._refuses = refuses

    def __call__(self, request: Any) -> Any:
        self._ipam = self._real(request)
        return self

    def release(self, request: Any) -> None:
        self.released.append(request)
        if self._refuses:
            raise CniError(Code.IO_FAILURE, "disk on fire")
        self._ipam.release(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ipam, name)


def test_a_former_holders_addresses_are_released_with_its_own_words(world: World) -> None:
    device, pod, _ = attached(world, rail="former")
    rewrite(world, attached=False, args={"K8S_POD_NAME": "former"})
    ipam = Deaf(world.node.ipam_for)
    node = replace(world.node, ipam_for=ipam)
    reply = world.call(
        "ADD", pod=world.add_pod(), device=device, container="c2", ifname="net7", node=node
    )
    assert reply.exit_code == 0, reply.document
    (asked,) = ipam.released
    assert (asked.container_id, asked.ifname, asked.netns) == ("c1", "net1", pod)
    assert (asked.config["rail"], asked.args) == ("former", {"K8S_POD_NAME": "former"})
    assert asked.command == "DEL"


def test_a_former_holders_ipam_does_not_stop_the_next_one(world: World) -> None:
    device, _, _ = attached(world)
    rewrite(world, attached=False)
    node = replace(world.node, ipam_for=Deaf(world.node.ipam_for, refuses=True))
    other = world.add_pod()
    reply = world.call("ADD", pod=other, device=device, container="c2", node=node)
    assert reply.exit_code == 0, reply.document
    assert len(world.records()) == len(world.held()) == 2
    assert world.call("DEL", pod="", device=device).exit_code == 0
    assert world.in_pod(other)[0] == ["lo", "net1"]
    assert len(world.held()) == 1  # that DEL has released what is its own


def test_what_an_earlier_boot_left_is_not_attached(world: World) -> None:
    device, pod, _ = attached(world)
    rewrite(world, boot_id="earlier")
    reply = world.call("ADD", pod=pod, device=device)
    failed(reply, Code.INVALID_CONFIG, "no interface of that name")
    assert (world.records(), world.held()) == ([], [])


def test_a_device_that_is_kept_away_is_said_to_be_its_former_holders(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, hidden = memory.add_pod(), memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF)
    with memory.kernel.open(pod) as opened, memory.kernel.open(hidden) as other:
        opened.move(link_of(opened, "net1").index, other, "hidden0")
    reply = memory.call("ADD", pod=memory.add_pod(), deviceID=VF, container="c2")
    failed(reply, Code.TRY_AGAIN, "container c1", "lsns -t net")


def test_a_function_in_a_living_pod_is_its_holders_whoever_has_its_name(
    memory: MemoryWorld,
) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF)
    memory.kernel.add_veth(name, f"{name}p")
    reply = memory.call("ADD", pod=memory.add_pod(), deviceID=VF, container="c2")
    failed(reply, Code.TRY_AGAIN, "is held by", "container c1")


def test_an_interrupt_in_the_middle_of_an_add_undoes_it(memory: MemoryWorld) -> None:
    device, pod = memory.add_device(), memory.add_pod()
    before = memory.seen(device)

    def interrupt(verb: str) -> None:
        if "mtu 9000" in verb:
            raise KeyboardInterrupt

    memory.kernel.machine.before_change = interrupt
    with pytest.raises(KeyboardInterrupt):
        memory.call("ADD", pod=pod, device=device)
    memory.kernel.machine.before_change = lambda _: None
    done(memory, device, before)


def test_drafts_of_a_killed_request_are_swept(world: World) -> None:
    device, pod, _ = attached(world)
    (record,) = world.records()
    draft = Path(world.paths.attachments, f".{record}.draft")
    draft.write_text("{")
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    assert list(world.paths.attachments.iterdir()) == []


def test_named_again_after_a_second_holder(memory: MemoryWorld) -> None:
    name, pod, other = memory.add_function(VF), memory.add_pod(), memory.add_pod()
    before = memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF)
    memory.kernel.add_veth(name, f"{name}p")
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    second = memory.call("ADD", pod=other, deviceID=VF, container="c2")
    assert second.exit_code == 0, second.document
    memory.kernel.delete_link(name)
    assert memory.call("DEL", pod=other, deviceID=VF, container="c2").exit_code == 0
    done(memory, name, before)


@pytest.mark.netns
def test_a_namespace_that_only_the_runtime_still_has_open_is_found(tmp_path: Path) -> None:
    linux = LinuxWorld(tmp_path)
    try:
        device, pod, before = attached(linux)
        with Path(pod).open("rb") as last:
            linux.delete_pod(pod)
            given = f"/proc/self/fd/{last.fileno()}"
            assert linux.call("DEL", pod=given, device=device).exit_code == 0
        done(linux, device, before)
    finally:
        linux.close()
