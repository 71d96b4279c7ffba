"""ADD either succeeds whole or leaves nothing; a DEL that failed is finished by the next one.

Each call to kernel, files and IPAM fails in turn, before and after it took effect.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenario.rail.faults import Faults, Mode
from tests.scenario.rail.worlds import World

CONFIG: dict[str, Any] = {
    "mac": "02:00:00:00:60:01",
    "sourceRouting": True,
    "ipam": {
        "type": "rail-ipam",
        "subnet": ["10.60.0.0/16", "fd00:60::/64"],
        "routes": [{"dst": "10.60.128.0/17", "gw": "10.60.0.1"}],
    },
}


@pytest.mark.parametrize("mode", Mode)
def test_add_leaves_nothing_whichever_call_fails(world: World, mode: Mode) -> None:
    device, pod = world.add_device("net1", "another"), world.add_pod()
    before = world.seen(device)
    failed = 0
    for at in range(_count(world, "ADD", device, pod)):
        faults = Faults(at, mode)
        node = faults.around(world.node)
        reply = world.call("ADD", pod=pod, device=device, node=node, **CONFIG)
        step = f"call {at}, {faults.calls[at]}, {mode.value}: {reply.document}"
        if reply.exit_code == 0:
            world.call("DEL", pod=pod, device=device, **CONFIG)
        failed += reply.exit_code
        assert world.seen(device) == before, step
        assert world.in_pod(pod) == (["lo"], 0), step
        assert (world.records(), world.held()) == ([], []), step
    assert failed > 30  # nearly every call matters


@pytest.mark.parametrize("mode", Mode)
def test_a_failed_del_is_finished_by_the_next(world: World, mode: Mode) -> None:
    device, pod = world.add_device("net1", "another"), world.add_pod()
    before = world.seen(device)
    for at in range(_count(world, "DEL", device, pod)):
        assert world.call("ADD", pod=pod, device=device, **CONFIG).exit_code == 0
        faults = Faults(at, mode)
        node = faults.around(world.node)
        reply = world.call("DEL", pod=pod, device=device, node=node, **CONFIG)
        step = f"call {at}, {faults.calls[at]}, {mode.value}: {reply.document}"
        if reply.exit_code == 0:  # it got round the fault: then it is done
            assert (world.records(), world.held()) == ([], []), step
        assert world.call("DEL", pod=pod, device=device, **CONFIG).exit_code == 0, step
        assert world.seen(device) == before, step
        assert world.in_pod(pod) == (["lo"], 0), step
        assert (world.records(), world.held()) == ([], []), step


def test_what_neither_add_nor_its_undo_could_do_is_done_by_del(memory: World) -> None:
    device, pod = memory.add_device("net1", "another"), memory.add_pod()
    before = memory.seen(device)
    total = _count(memory, "ADD", device, pod)
    for at in range(total):
        for again in range(at + 1, at + 40, 3):
            node = Faults(again, Mode.LOST).around(Faults(at).around(memory.node))
            reply = memory.call("ADD", pod=pod, device=device, node=node, **CONFIG)
            step = f"calls {at} and {again}: {reply.document}"
            if memory.records():
                document = reply.document or {}
                assert reply.exit_code == 0 or "DEL will finish it" in document["details"], step
            assert memory.call("DEL", pod=pod, device=device, **CONFIG).exit_code == 0, step
            assert memory.seen(device) == before, step
            assert memory.in_pod(pod) == (["lo"], 0), step
            assert (memory.records(), memory.held()) == ([], []), step


def _count(world: World, command: str, device: str, pod: str) -> int:
    """Return how many calls a command makes when nothing fails; leave nothing."""
    counts = {}
    for each in ("ADD", "DEL"):
        counted = Faults()
        reply = world.call(each, pod=pod, device=device, node=counted.around(world.node), **CONFIG)
        assert reply.exit_code == 0, reply.document
        counts[each] = len(counted.calls)
    return counts[command]
