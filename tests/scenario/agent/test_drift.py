"""A rail that is no longer as ADD left it is reported, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from cni.kernel.fake import FakeKernel, FakeNamespace
from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError, Route
from tests.scenario.agent.attendant import Attendant, keep_open
from tests.scenario.rail.test_del import attached
from tests.scenario.rail.test_interrupted import link_of, rewrite
from tests.scenario.rail.worlds import MemoryWorld, World

Change = Callable[[Namespace, int], None]

VF = "0000:3b:02.1"


def _route(dst: str) -> Change:
    return lambda pod, index: pod.add_route(Route(ip_network(dst), index, scope=253))


def _down_and_up(pod: Namespace, index: int) -> None:
    pod.set_down(index)
    pod.set_up(index)


CHANGES: dict[str, tuple[Change, str]] = {
    "has MTU 1400, expected 9000": (lambda pod, index: pod.set_mtu(index, 1400), "mtu"),
    "carries the route 0.0.0.0/0": (_route("0.0.0.0/0"), "route"),
    "carries the route 10.43.0.0/16": (_route("10.43.0.0/16"), "route"),
    "lacks the address fd00:60::1/64": (_down_and_up, "address"),
    "is down": (lambda pod, index: pod.set_down(index), "interface"),
}


def change(world: World, pod: str, named: str) -> None:
    with world.kernel.open(pod) as opened:
        CHANGES[named][0](opened, link_of(opened, "net1").index)


@pytest.mark.parametrize("named", CHANGES)
def test_every_difference_is_said_once_and_counted(
    world: World, agent: Attendant, caplog: pytest.LogCaptureFixture, named: str
) -> None:
    subnet = ["10.60.0.0/16", "fd00:60::/64"]
    _, pod, _ = attached(world, ipam={"type": "rail-ipam", "subnet": subnet})
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {}
    change(world, pod, named)
    before = _all_of(world, pod)
    for _ in range(2):
        agent.does("drift")
    assert agent.figures("drifted_attachments")["roce-a", CHANGES[named][1]] == 1
    assert caplog.text.count(named) == 1
    assert _all_of(world, pod) == before
    assert agent.part.problems() == []


def _all_of(world: World, path: str) -> list[object]:
    with world.kernel.open(path) as pod:
        index = link_of(pod, "net1").index
        return [pod.link(index), *pod.addresses(index), *pod.routes(index)]


def test_a_default_route_by_router_advertisement(memory: MemoryWorld, agent: Attendant) -> None:
    memory.add_function(VF)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF)
    with memory.kernel.open(pod) as opened:
        opened.set_sysctl("ipv6/conf/net1/accept_ra", "2")
        opened.links()
    memory.kernel.advertise_router(pod)
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {("roce-a", "route"): 1}


def test_what_is_as_it_was_again_is_said_too(
    world: World, agent: Attendant, caplog: pytest.LogCaptureFixture
) -> None:
    _, pod, _ = attached(world)
    change(world, pod, "has MTU 1400, expected 9000")
    agent.does("drift")
    with world.kernel.open(pod) as opened, caplog.at_level("INFO"):
        opened.set_mtu(link_of(opened, "net1").index, 9000)
        agent.does("drift")
    assert "no longer: has MTU 1400" in caplog.text
    assert agent.figures("drifted_attachments") == {}


def test_a_rail_that_the_pod_renamed_is_the_same(world: World, agent: Attendant) -> None:
    _, pod, _ = attached(world)
    with world.kernel.open(pod) as opened:
        index = link_of(opened, "net1").index
        opened.set_down(index)
        opened.rename(index, "x")
        opened.set_mac(index, "02:00:00:00:99:99")
        opened.set_up(index)
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {}


def test_a_rail_that_has_left_its_pod(memory: MemoryWorld, agent: Attendant) -> None:
    memory.add_function(VF)
    pod, hidden = memory.add_pod(), memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF)
    with memory.kernel.open(pod) as opened, memory.kernel.open(hidden) as other:
        opened.move(link_of(opened, "net1").index, other, "hidden0")
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {("roce-a", "interface"): 1}


def test_one_pass_serves_all_pods_and_each_is_found_wherever_it_is(
    world: World, agent: Attendant, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = []
    for number in range(3):
        device, pod = world.add_device(), world.add_pod()
        world.call("ADD", pod=pod, device=device, container=f"c{number}")
        change(world, pod, "has MTU 1400, expected 9000")
        pods.append(pod)
    passes = []
    real = world.kernel.search

    def search(wanted: Callable[[Namespace], bool]) -> object:
        passes.append(wanted)
        return real(wanted)

    monkeypatch.setattr(world.kernel, "search", search)
    with ExitStack() as until:
        keep_open(world, pods[0], until)
        world.delete_pod(pods[0])
        agent.does("drift")
    assert agent.figures("drifted_attachments") == {("roce-a", "mtu"): 3}
    assert len(passes) == 1


def test_what_a_request_is_at_work_on_is_not_judged(memory: MemoryWorld, agent: Attendant) -> None:
    _, pod, _ = attached(memory)
    change(memory, pod, "is down")
    with memory.node.locks.container("c1"):  # as DEL does on its way
        agent.does("drift")
    assert agent.figures("drifted_attachments") == {}
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {("roce-a", "interface"): 1}


def test_what_never_stood_or_is_a_programs_own_is_not_compared(
    memory: MemoryWorld, agent: Attendant
) -> None:
    memory.add_function(VF, driver="vfio-pci")
    memory.call("ADD", pod=memory.add_pod(), deviceID=VF, container="c2")
    _, pod, _ = attached(memory)
    change(memory, pod, "is down")
    record = next(r for r in memory.node.attachments.all() if r.attachment.container_id == "c1")
    memory.node.attachments.save(record.model_copy(update={"attached": False}))
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {}


def test_a_pod_that_cannot_be_looked_at_is_as_it_was_and_stops_nobody(
    memory: MemoryWorld, agent: Attendant, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods = []
    for number in range(2):
        pods.append(memory.add_pod())
        device = memory.add_device()
        memory.call("ADD", pod=pods[-1], device=device, container=f"c{number}")
    change(memory, pods[0], "is down")
    agent.does("drift")
    change(memory, pods[1], "has MTU 1400, expected 9000")
    real = FakeNamespace.links

    def links(self: FakeNamespace) -> object:
        if self.path == pods[0]:
            raise KernelError("ip link show", 11, "the table kept changing")
        return real(self)

    monkeypatch.setattr(FakeNamespace, "links", links)
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {
        ("roce-a", "interface"): 1,
        ("roce-a", "mtu"): 1,
    }


def test_what_could_not_be_reached_is_as_it_was(
    memory: MemoryWorld, agent: Attendant, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pod, _ = attached(memory)
    change(memory, pod, "is down")
    agent.does("drift")

    def search(*_: object) -> None:
        raise KernelError("search all network namespaces", 13, "Permission denied")

    monkeypatch.setattr(FakeKernel, "search", search)
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {("roce-a", "interface"): 1}
    memory.node.attachments.forget(memory.node.attachments.all()[0])
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {}


def test_a_configuration_that_cannot_be_read_leaves_the_rest_compared(
    memory: MemoryWorld, agent: Attendant
) -> None:
    _, pod, _ = attached(memory)
    rewrite(memory, config='{"mtu": "jumbo"}')
    change(memory, pod, "carries the route 10.43.0.0/16")
    agent.does("drift")
    assert agent.figures("drifted_attachments") == {("roce-a", "route"): 1}
