"""The MACs that a PF prescribes: railcni's goes with the pod, an operator's stays.

All of it on igb: what is prescribed reaches a VF when its driver starts anew, and binds it at once.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from cni.kernel.functions import NO_MAC, VfSettings, VfVlan
from cni.kernel.types import Link
from cni.protocol.errors import Code
from cni.rail import detach
from cni.rail.attachment import Record
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_check import gc
from tests.scenario.rail.test_vf_settings import EVERYTHING, MAC, VF, refuse, settings, verbs
from tests.scenario.rail.worlds import PF, MemoryWorld

OWN, OTHER = "02:00:00:00:33:01", "02:00:00:00:70:01"


class Killed(BaseException):
    """The process died, and does nothing of what it would have done."""


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detach, "_RETURN_PATIENCE", 0.05)


def operator_sets(memory: MemoryWorld, **given: Any) -> None:
    """`ip link set dev ens1f0 vf 0 …`."""
    pf = memory.kernel.host.find("ens1f0")
    assert pf
    memory.kernel.host.set_vf(pf.index, 0, VfSettings(**given))


def is_prescribed(memory: MemoryWorld) -> bool:
    """Return whether the VF must have the MAC that its PF shows."""
    (pf,) = memory.kernel.machine.pfs
    return pf.vfs[0].is_prescribed


def link(memory: MemoryWorld, name: str, path: str = "") -> Link:
    with memory.kernel.open(path or memory.kernel.host.path) as namespace:
        found = namespace.find(name)
    assert found
    return found


def state(memory: MemoryWorld, name: str) -> tuple[object, ...]:
    """Return all that must be as before: what the PF imposes, and the VF itself."""
    return settings(memory), is_prescribed(memory), memory.seen(name)


@contextmanager
def killed_at(memory: MemoryWorld, number: int) -> Iterator[list[str]]:
    """Let the process die at a verb or a saving of its record, by number; yield what it came to."""
    steps: list[str] = []
    save = memory.node.attachments.save

    def step(name: str) -> None:
        steps.append(name)
        if len(steps) > number:
            raise Killed(name)

    def step_and_save(record: Record) -> None:
        step("save")
        save(record)

    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(memory.kernel.machine, "before_change", step)
        patch.setattr(memory.node.attachments, "save", step_and_save)
        yield steps


PRESCRIBED: list[dict[str, Any]] = [{}, {"mac": OWN}, {"mac": OTHER}]
"""By the operator, before ADD: nothing, what the VF has, and what it will have when restarted."""


@pytest.mark.parametrize("prescribed", PRESCRIBED)
@pytest.mark.parametrize("given", [{"mac": MAC}, EVERYTHING])
def test_with_a_mac_of_its_own_for_the_pod_all_is_as_before(
    memory: MemoryWorld, prescribed: dict[str, Any], given: dict[str, Any]
) -> None:
    name, pod = memory.add_function(VF, mac=OWN), memory.add_pod()
    operator_sets(memory, **prescribed)
    before = state(memory, name)
    assert memory.call("ADD", pod=pod, deviceID=VF, **given).exit_code == 0
    assert link(memory, "net1", pod).mac == settings(memory).mac == MAC
    assert is_prescribed(memory)
    assert memory.call("DEL", pod=pod, deviceID=VF, **given).exit_code == 0
    assert state(memory, name) == before
    assert (memory.records(), memory.held()) == ([], [])


@pytest.mark.parametrize("prescribed", PRESCRIBED)
@pytest.mark.parametrize("command", ["ADD", "DEL"])
def test_killed_at_any_step_it_is_finished_by_del(
    memory: MemoryWorld, command: str, prescribed: dict[str, Any]
) -> None:
    name, pod = memory.add_function(VF, mac=OWN), memory.add_pod()
    operator_sets(memory, **prescribed)
    given: dict[str, Any] = {"deviceID": VF, "mac": MAC, "vlan": 100}
    before, number, died = state(memory, name), 0, True
    while died:
        if command == "DEL":
            assert memory.call("ADD", pod=pod, **given).exit_code == 0
        with killed_at(memory, number) as steps:
            memory.call(command, pod=pod, **given)
        reply = memory.call("DEL", pod=pod, **given)
        assert reply.exit_code == 0, (steps, reply.document)
        assert (state(memory, name), memory.records(), memory.held()) == (before, [], []), steps
        died, number = len(steps) > number, number + 1
    assert number > 5


@pytest.mark.parametrize("prescribed", [OWN, OTHER])
@pytest.mark.parametrize("given", [{}, {"mac": MAC}, {"vlan": 100}, EVERYTHING])
def test_vfs_made_anew_under_the_pod_keep_what_their_pf_prescribes(
    memory: MemoryWorld, given: dict[str, Any], prescribed: str
) -> None:
    memory.add_function(VF, mac="02:00:00:00:33:00")
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, **given)
    memory.kernel.remove_virtual_functions("ens1f0")
    memory.add_function(VF, mac=OWN)
    operator_sets(memory, mac=prescribed, vlan=VfVlan(7))
    after = settings(memory)
    assert memory.call("DEL", pod=pod, deviceID=VF, **given).exit_code == 0
    assert (memory.records(), memory.held()) == ([], [])
    assert settings(memory) == after
    assert is_prescribed(memory)


@pytest.mark.parametrize("given", [{}, {"mac": MAC}, {"vlan": 100}])
def test_what_the_operator_prescribes_under_the_pod_stays(
    memory: MemoryWorld, given: dict[str, Any]
) -> None:
    memory.add_function(VF, mac=OWN)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, **given)
    operator_sets(memory, mac=OTHER)
    assert memory.call("DEL", pod=pod, deviceID=VF, **given).exit_code == 0
    assert (settings(memory).mac, is_prescribed(memory)) == (OTHER, True)
    assert (settings(memory).vlan, memory.records()) == (VfVlan(0), [])


@pytest.mark.parametrize("prescribed", PRESCRIBED)
def test_trust_that_the_operator_gives_under_the_pod_stays(
    memory: MemoryWorld, prescribed: dict[str, Any]
) -> None:
    """Also where railcni has trusted the VF itself for a moment."""
    memory.add_function(VF, mac=OWN)
    pod = memory.add_pod()
    operator_sets(memory, **prescribed)
    assert memory.call("ADD", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert settings(memory).trust is False
    operator_sets(memory, trust=True)
    assert memory.call("DEL", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert (settings(memory).trust, memory.records()) == (True, [])


def test_a_vf_that_does_not_take_its_old_mac_is_nobody_elses(memory: MemoryWorld) -> None:
    name, pod, other = memory.add_function(VF, mac=OWN), memory.add_pod(), memory.add_pod()
    before = state(memory, name)
    memory.call("ADD", pod=pod, deviceID=VF, mac=MAC)
    refuse(memory, lambda verb: f"address {OWN}" in verb, errno.EACCES)
    assert memory.call("DEL", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert memory.held() == []
    (record,) = memory.node.attachments.all()
    assert record.unrestored
    assert not is_prescribed(memory)  # else it could never obey
    reply = memory.call("ADD", pod=other, deviceID=VF, container="c2")
    failed(reply, Code.TRY_AGAIN, "is not yet as it was before")
    assert memory.in_pod(other)[0] == ["lo"]
    refuse(memory, lambda _: False)
    assert memory.call("ADD", pod=other, deviceID=VF, container="c2").exit_code == 0
    assert link(memory, "net1", other).mac == OWN
    assert memory.call("DEL", pod=other, deviceID=VF, container="c2").exit_code == 0
    assert (state(memory, name), memory.records()) == (before, [])


def finish_by_gc(memory: MemoryWorld) -> None:
    assert gc(memory).exit_code == 0


def finish_by_add(memory: MemoryWorld) -> None:
    pod = memory.add_pod()
    assert memory.call("ADD", pod=pod, deviceID=VF, container="c2").exit_code == 0
    assert memory.call("DEL", pod=pod, deviceID=VF, container="c2").exit_code == 0


@pytest.mark.parametrize("finish", [finish_by_gc, finish_by_add])
def test_while_its_pf_is_down_a_vf_cannot_say_what_mac_it_has(
    memory: MemoryWorld, finish: Callable[[MemoryWorld], None]
) -> None:
    name, pod, host = memory.add_function(VF, mac=OWN), memory.add_pod(), memory.kernel.host
    before, pf = state(memory, name), link(memory, "ens1f0")
    memory.call("ADD", pod=pod, deviceID=VF, mac=MAC)
    host.set_down(pf.index)
    assert memory.call("DEL", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert len(memory.records()) == 1
    assert not is_prescribed(memory)
    host.set_up(pf.index)
    finish(memory)
    assert memory.records() == []
    assert state(memory, name) == before


def test_a_vf_that_is_busy_fails_add_and_nothing_is_prescribed(memory: MemoryWorld) -> None:
    name, pod = memory.add_function(VF, mac=OWN), memory.add_pod()
    before = state(memory, name)
    refuse(memory, lambda verb: f"address {MAC}" in verb, errno.EBUSY)
    reply = memory.call("ADD", pod=pod, deviceID=VF, mac=MAC)
    failed(reply, Code.IO_FAILURE, f"ip link set dev {name} address {MAC}")
    assert state(memory, name) == before
    assert (memory.in_pod(pod)[0], memory.records(), memory.held()) == (["lo"], [], [])


def test_a_vf_that_is_busy_fails_del_and_the_next_one_goes_on(memory: MemoryWorld) -> None:
    name, pod = memory.add_function(VF, mac=OWN), memory.add_pod()
    before = state(memory, name)
    memory.call("ADD", pod=pod, deviceID=VF, mac=MAC)
    refuse(memory, lambda verb: f"address {OWN}" in verb, errno.EBUSY)
    reply = memory.call("DEL", pod=pod, deviceID=VF, mac=MAC)
    failed(reply, Code.IO_FAILURE, f"address {OWN}")
    assert len(memory.records()) == 1
    refuse(memory, lambda _: False)
    assert memory.call("DEL", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert (state(memory, name), memory.records(), memory.held()) == (before, [], [])


def test_a_driver_without_trust_says_how_to_lift_what_is_prescribed(memory: MemoryWorld) -> None:
    memory.kernel.add_physical_function("ens1f0", pci=PF, mtu=9000, refuses={"trust"})
    name, pod = memory.add_function(VF, mac=OWN), memory.add_pod()
    operator_sets(memory, mac=OTHER)
    before, seen = state(memory, name), verbs(memory)
    reply = memory.call("ADD", pod=pod, deviceID=VF, mac=MAC)
    assert not [verb for verb in seen if "trust" in verb]
    advice = "ip link set dev ens1f0 vf 0 mac 00:00:00:00:00:00"
    failed(reply, Code.INVALID_CONFIG, f"mac is '{MAC}'", "ens1f0 vf 0", OTHER, advice)
    assert state(memory, name) == before
    assert (memory.in_pod(pod)[0], memory.records(), memory.held()) == (["lo"], [], [])


def test_a_driver_that_refuses_to_trust_says_the_same(memory: MemoryWorld) -> None:
    name, pod = memory.add_function(VF, mac=OWN), memory.add_pod()
    operator_sets(memory, mac=OTHER)
    before = state(memory, name)
    refuse(memory, lambda verb: "vf 0 trust on" in verb, errno.EPERM)
    reply = memory.call("ADD", pod=pod, deviceID=VF, mac=MAC)
    failed(reply, Code.INVALID_CONFIG, f"mac is '{MAC}'", OTHER, "vf 0 mac 00:00:00:00:00:00")
    assert (state(memory, name), memory.records(), memory.held()) == (before, [], [])


@pytest.mark.parametrize("given", [{}, {"mac": OWN}])
def test_what_a_vf_has_already_it_is_not_asked_to_take(
    memory: MemoryWorld, given: dict[str, Any]
) -> None:
    """Some drivers refuse that as they refuse any other one."""
    memory.add_function(VF, mac=OWN)
    pod, seen = memory.add_pod(), verbs(memory)
    assert memory.call("ADD", pod=pod, deviceID=VF, **given).exit_code == 0
    assert memory.call("DEL", pod=pod, deviceID=VF, **given).exit_code == 0
    assert len(seen) > 10
    assert not [verb for verb in seen if f"address {OWN}" in verb]


def test_the_mac_is_back_before_the_mtu_for_which_the_vf_starts_anew(memory: MemoryWorld) -> None:
    memory.add_function(VF, mac=OWN)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, mac=MAC)
    seen = verbs(memory)
    assert memory.call("DEL", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    mac = next(at for at, verb in enumerate(seen) if f"address {OWN}" in verb)
    mtu = next(at for at, verb in enumerate(seen) if "mtu 1500" in verb)
    assert mac < mtu


def test_a_driver_that_cannot_lift_what_it_prescribes(memory: MemoryWorld) -> None:
    memory.add_function(VF, mac=OWN)
    pod, before = memory.add_pod(), settings(memory)
    refuse(memory, lambda verb: f"vf 0 mac {NO_MAC}" in verb, errno.EINVAL)
    assert memory.call("ADD", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert memory.call("DEL", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert (settings(memory), memory.held()) == (before, [])
