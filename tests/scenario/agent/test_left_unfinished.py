"""What requests that died have left is finished; what cannot be, is tried again."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cni.delegate.choose import ipam_for
from cni.delegate.interface import Ipam
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.skel import serve
from cni.rail.plugin import RailSriov
from tests.scenario.agent.attendant import Attendant, freed, gone, kept, searches
from tests.scenario.rail.test_del import attached
from tests.scenario.rail.test_interrupted import link_of, rewrite
from tests.scenario.rail.worlds import MemoryWorld, World

VF = "0000:3b:02.1"


def test_what_a_dead_add_left_is_finished(world: World, agent: Attendant) -> None:
    device, pod, before = attached(world)
    rewrite(world, attached=False, started=world.kernel.uptime())
    agent.does("repair")
    kept(world)  # it may be at work
    agent.lets_pass()
    with world.node.locks.container("c1"):
        agent.does("repair")
        kept(world)  # it is
    agent.does("repair")
    freed(world)
    assert world.in_pod(pod)[0] == ["lo"]
    assert world.seen(device) == before


@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_a_request_on_its_way_is_never_disturbed(memory: MemoryWorld, command: str) -> None:
    """Not at any of its steps, and be there no grace period at all."""
    agent = Attendant(memory, {"grace": 0})
    device, pod = memory.add_device(), memory.add_pod()
    before = memory.seen(device)
    if command == "DEL":
        memory.call("ADD", pod=pod, device=device)
    steps = []

    def step(verb: str) -> None:
        steps.append(verb)
        agent.does("repair")
        agent.does("announce")
        agent.does("drift")

    memory.kernel.machine.before_change = step
    assert memory.call(command, pod=pod, device=device).exit_code == 0
    assert len(steps) > 3
    assert agent.figure("reclaimed_attachments") == 0
    assert agent.figures("drifted_attachments") == {}
    if command == "ADD":
        kept(memory)
    else:
        assert memory.seen(device) == before
        freed(memory)


def test_a_device_that_waits_for_its_name_has_it_again(
    memory: MemoryWorld, agent: Attendant
) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF)
    memory.kernel.add_veth(name, "peer0")
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    agent.lets_pass()
    agent.does("repair")
    assert agent.figure("unfinished_attachments") == 1
    memory.kernel.delete_link(name)
    agent.does("repair")
    assert len(memory.records()) == 1  # it is not tried again at once
    agent.lets_pass()
    agent.does("repair")
    freed(memory)
    assert memory.seen(name) == before
    assert agent.figure("unfinished_attachments") == 0


def test_a_vf_that_is_kept_away_is_tried_less_and_less_often(
    memory: MemoryWorld, agent: Attendant
) -> None:
    memory.add_function(VF)
    pod, hidden = memory.add_pod(), memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF)
    with memory.kernel.open(pod) as opened, memory.kernel.open(hidden) as other:
        opened.move(link_of(opened, "net1").index, other, "hidden0")
    memory.delete_pod(pod)
    tried = []
    for moment in range(200):
        asked = searches(memory, agent)
        tried += [moment] if asked > 1 else []
        memory.kernel.advance(10)
    kept(memory)
    assert tried[:4] == [3, 6, 12, 24]
    assert max(b - a for a, b in pairwise(tried)) == 60
    memory.delete_pod(hidden)
    memory.kernel.advance(600)
    agent.does("repair")
    freed(memory)


def test_those_that_wait_for_their_device_are_no_alarm(
    memory: MemoryWorld, agent: Attendant
) -> None:
    hidden = memory.add_pod()
    for number in range(3):
        name, pod = memory.add_function(f"0000:3b:02.{number}"), memory.add_pod()
        given: dict[str, Any] = {"deviceID": f"0000:3b:02.{number}", "container": f"away{number}"}
        assert memory.call("ADD", pod=pod, **given).exit_code == 0
        with memory.kernel.open(pod) as opened, memory.kernel.open(hidden) as other:
            opened.move(link_of(opened, "net1").index, other, name)
        memory.delete_pod(pod)
    agent.repairs()
    kept(memory, 3)
    gone(memory)
    agent.repairs()
    kept(memory, 3)
    assert agent.figure("reclaim_alarm") == 0


class _Unwell:
    """Finds the release of one container's addresses too much."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self, request: Request) -> Ipam | None:
        if request.container_id == "c0":
            raise self._error
        return ipam_for(request)


@pytest.mark.parametrize("error", [CniError(Code.IO_FAILURE, "unwell"), RuntimeError("broken")])
def test_one_that_cannot_be_finished_does_not_stop_the_others(
    world: World, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    for number in range(3):
        gone(world, number)
    agent = Attendant(world, node=replace(world.node, ipam_for=_Unwell(error)))
    agent.repairs()
    kept(world, 1)
    (said,) = [record for record in caplog.records if "cannot be finished" in record.message]
    assert "container c0" in said.message
    assert bool(said.exc_info) == isinstance(error, RuntimeError)  # else its words are enough
    assert agent.figure("reclaimed_attachments") == 2
    agent.lets_pass()
    agent.node = world.node
    agent.start()
    agent.repairs()
    freed(world)


def test_a_record_that_cannot_be_read_does_not_stop_the_others(
    world: World, agent: Attendant
) -> None:
    gone(world)
    broken = Path(world.paths.attachments, "0.dev-x.json")
    broken.write_text("{")
    agent.repairs()
    assert world.records() == [broken.name]


def test_a_record_whose_configuration_is_broken_does_not_stop_the_others(
    world: World, agent: Attendant, caplog: pytest.LogCaptureFixture
) -> None:
    gone(world)
    rewrite(world, config="{")
    gone(world, 1)
    agent.repairs()
    (record,) = world.node.attachments.all()
    assert record.config == "{"
    assert "cannot be finished" in caplog.text


@pytest.fixture
def delegate(tmp_path: Path) -> Path:
    """An IPAM plugin that writes down what it was called with."""
    program = tmp_path / "plugins/noting-ipam"
    program.parent.mkdir()
    program.write_text(
        "#!/bin/sh\n"
        f"cd {tmp_path}\n"
        'echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $CNI_PATH $GREETING" >> calls\n'
        '[ "$CNI_COMMAND" = ADD ] || exit 0\n'
        'echo \'{"cniVersion": "1.1.0", "ips": [{"address": "10.60.0.9/16"}]}\'\n'
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("recorded", [True, False])
def test_a_delegate_is_called_as_a_runtime_would(
    memory: MemoryWorld,
    delegate: Path,
    recorded: bool,  # noqa: FBT001 - a table's column
) -> None:
    pod, folder = memory.add_pod(), str(delegate.parent)
    network = {
        "cniVersion": "1.1.0", "name": "roce-a", "type": "rail-sriov",
        "device": memory.add_device(), "ipam": {"type": delegate.name},
    }  # fmt: skip
    environ = {
        "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "net1", "CNI_NETNS": pod,
        "CNI_PATH": folder, "PATH": os.environ["PATH"],
    }  # fmt: skip
    plugin = RailSriov(memory.node)
    reply = serve(lambda _: plugin, environ, json.dumps(network).encode())
    assert reply.exit_code == 0, reply.document
    if not recorded:
        rewrite(memory, path=())
    memory.delete_pod(pod)
    agents = {"GREETING": "hello", "PATH": os.environ["PATH"]}
    path = ("/nowhere",) if recorded else (folder,)
    Attendant(memory, {"environ": agents, "path": path}).repairs()
    assert memory.records() == []
    calls = (delegate.parent.parent / "calls").read_text().splitlines()
    assert calls[-1] == f"DEL c1 net1 {folder} hello"
