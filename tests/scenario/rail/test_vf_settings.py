"""What a PF imposes on its VF for a pod: stated keys only, and taken back whatever happens."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import pytest

from cni.kernel.functions import VfRate, VfSettings, VfVlan
from cni.kernel.types import KernelError
from cni.protocol.errors import Code
from cni.rail import detach
from tests.scenario.rail.faults import Faults, Mode
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_check import gc
from tests.scenario.rail.worlds import MemoryWorld

VF, OTHER_VF = "0000:3b:02.1", "0000:3b:02.2"
MAC = "02:00:00:00:60:01"
EVERYTHING: dict[str, Any] = {
    "mac": MAC,
    "vlan": 100,
    "vlanQoS": 3,
    "spoofchk": "off",
    "trust": "on",
    "max_tx_rate": 200,
}
IMPOSED = VfSettings(MAC, VfVlan(100, 3), spoofchk=False, trust=True, rate=VfRate(0, 200))


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detach, "_RETURN_PATIENCE", 0.05)


def settings(memory: MemoryWorld, number: int = 0) -> VfSettings:
    host = memory.kernel.host
    pf = host.find("ens1f0")
    assert pf
    now = host.vf(pf.index, number)
    assert now
    return now


def verbs(memory: MemoryWorld) -> list[str]:
    """Return a list that grows by every verb that changes something from now on."""
    seen: list[str] = []
    memory.kernel.machine.before_change = seen.append
    return seen


def refuse(memory: MemoryWorld, is_refused: Callable[[str], bool], number: int = errno.EIO) -> None:
    """Let the kernel refuse certain verbs from now on."""

    def before_change(verb: str) -> None:
        if is_refused(verb):
            raise KernelError(verb, number, "Injected")

    memory.kernel.machine.before_change = before_change


def test_what_is_not_stated_causes_no_request_to_the_pf(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, seen = memory.add_pod(), verbs(memory)
    assert memory.call("ADD", pod=pod, deviceID=VF).exit_code == 0
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert len(seen) > 10
    assert not [verb for verb in seen if "ens1f0 vf " in verb]


@pytest.mark.parametrize(
    ("given", "imposed"),
    [
        ({"vlan": 100}, VfSettings(vlan=VfVlan(100))),
        ({"vlan": 100, "vlanQoS": 3}, VfSettings(vlan=VfVlan(100, 3))),
        ({"spoofchk": "off"}, VfSettings(spoofchk=False)),
        ({"trust": "on"}, VfSettings(trust=True)),
        ({"max_tx_rate": 200}, VfSettings(rate=VfRate(0, 200))),
        ({"mac": MAC}, VfSettings(mac=MAC)),
        (EVERYTHING, IMPOSED),
    ],
)
def test_each_property_is_imposed_and_taken_back(
    memory: MemoryWorld, given: dict[str, Any], imposed: VfSettings
) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = settings(memory), memory.seen(name)
    seen = verbs(memory)
    assert memory.call("ADD", pod=pod, deviceID=VF, **given).exit_code == 0
    assert set(imposed.each()) <= set(settings(memory).each())
    requests = [verb for verb in seen if "ens1f0 vf " in verb]
    lifting = 1 if "mac" in given else 0  # the PF shows it before it prescribes it
    assert len(requests) == len(list(imposed.each())) + lifting
    assert memory.call("CHECK", pod=pod, deviceID=VF, **given).exit_code == 0
    assert memory.call("DEL", pod=pod, deviceID=VF, **given).exit_code == 0
    assert (settings(memory), memory.seen(name)) == before
    assert (memory.records(), memory.held()) == ([], [])


def test_what_is_so_already_is_not_asked_for(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, seen = memory.add_pod(), verbs(memory)
    same: dict[str, Any] = {
        "vlan": 0, "spoofchk": "on", "trust": "off", "link_state": "auto", "max_tx_rate": 0,
    }  # fmt: skip
    assert memory.call("ADD", pod=pod, deviceID=VF, **same).exit_code == 0
    assert not [verb for verb in seen if "ens1f0 vf " in verb]


def test_the_pf_takes_back_when_the_vf_has_left_the_pod(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, **EVERYTHING)
    seen = verbs(memory)
    memory.call("DEL", pod=pod, deviceID=VF, **EVERYTHING)
    left = next(at for at, verb in enumerate(seen) if "netns /proc/self/ns/net" in verb)
    assert all(at > left for at, verb in enumerate(seen) if "ens1f0 vf " in verb)


@pytest.mark.parametrize(
    ("given", "words", "advice"),
    [
        ({"link_state": "enable"}, "link_state is 'enable': the PF's driver", "cannot set"),
        ({"vlan": 5, "vlanProto": "802.1ad"}, "vlanProto is '802.1ad'", "802.1q only"),
        ({"min_tx_rate": 50}, "min_tx_rate is 50", "min_tx_rate of 0"),
        ({"max_tx_rate": 2000}, "max_tx_rate is 2000", "at most 1000 Mbit/s"),
    ],
)
def test_what_the_driver_refuses_leaves_the_vf_as_it_was(
    memory: MemoryWorld, given: dict[str, Any], words: str, advice: str
) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = settings(memory), memory.seen(name)
    reply = memory.call("ADD", pod=pod, deviceID=VF, **{**EVERYTHING, **given})
    failed(reply, Code.INVALID_CONFIG, words, "VF 0 of ens1f0 (0000:3b:02.1)", advice)
    assert (settings(memory), memory.seen(name)) == before
    assert (memory.in_pod(pod)[0], memory.records(), memory.held()) == (["lo"], [], [])


def test_the_pod_cannot_change_its_mac_and_the_host_can_again(memory: MemoryWorld) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, mac=MAC)
    with memory.kernel.open(pod) as opened:
        link = opened.find("net1")
        assert link
        assert link.mac == MAC
        with pytest.raises(KernelError):
            opened.set_mac(link.index, "02:00:00:00:99:99")
    memory.call("DEL", pod=pod, deviceID=VF, mac=MAC)
    home = memory.kernel.host.find(name)
    assert home
    memory.kernel.host.set_mac(home.index, "02:00:00:00:99:99")


def test_a_mac_that_the_operator_has_prescribed_is_prescribed_again(memory: MemoryWorld) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    host = memory.kernel.host
    pf, link = host.find("ens1f0"), host.find(name)
    assert pf
    assert link
    host.set_vf(pf.index, 0, VfSettings(mac=link.mac))
    before = settings(memory), memory.seen(name)
    assert memory.call("ADD", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert settings(memory).mac == MAC
    assert settings(memory).trust is False  # the pod is not trusted for it
    assert memory.call("DEL", pod=pod, deviceID=VF, mac=MAC).exit_code == 0
    assert (settings(memory), memory.seen(name)) == before
    with pytest.raises(KernelError):
        host.set_mac(link.index, "02:00:00:00:99:99")


def test_a_vf_that_takes_on_what_its_pf_has_long_prescribed(memory: MemoryWorld) -> None:
    """A driver that starts anew, as igbvf does for an MTU, obeys; nobody can put that back."""
    name, pod = memory.add_function(VF), memory.add_pod()
    host = memory.kernel.host
    pf = host.find("ens1f0")
    assert pf
    host.set_vf(pf.index, 0, VfSettings(mac="02:00:00:00:70:01"))
    assert memory.call("ADD", pod=pod, deviceID=VF).exit_code == 0
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert (memory.records(), memory.held()) == ([], [])
    home = host.find(name)
    assert home
    assert home.mac == settings(memory).mac == "02:00:00:00:70:01"


def test_what_the_pf_does_not_take_back_is_nobody_elses(memory: MemoryWorld) -> None:
    name, pod, other = memory.add_function(VF), memory.add_pod(), memory.add_pod()
    before = settings(memory), memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF, **EVERYTHING)
    refuse(memory, lambda verb: "vf 0 vlan 0" in verb)
    assert memory.call("DEL", pod=pod, deviceID=VF, **EVERYTHING).exit_code == 0  # the pod ends
    assert memory.held() == []
    assert len(memory.records()) == 1
    reply = memory.call("ADD", pod=other, deviceID=VF, container="c2")
    failed(reply, Code.TRY_AGAIN, "is not yet as it was before", "the log of this ADD")
    assert memory.in_pod(other)[0] == ["lo"]
    refuse(memory, lambda _: False)
    assert memory.call("ADD", pod=other, deviceID=VF, container="c2").exit_code == 0
    assert settings(memory) == before[0]
    assert memory.call("DEL", pod=other, deviceID=VF, container="c2").exit_code == 0
    assert (memory.seen(name), memory.records()) == (before[1], [])


def test_what_the_pf_took_back_later_is_finished_by_gc(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, before = memory.add_pod(), settings(memory)
    memory.call("ADD", pod=pod, deviceID=VF, **EVERYTHING)
    refuse(memory, lambda verb: "vf 0 " in verb)
    memory.call("DEL", pod=pod, deviceID=VF, **EVERYTHING)
    refuse(memory, lambda _: False)
    assert gc(memory).exit_code == 0
    assert (settings(memory), memory.records()) == (before, [])


def test_check_notices_what_the_pf_no_longer_imposes(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, **EVERYTHING)
    pf = memory.kernel.host.find("ens1f0")
    assert pf
    memory.kernel.host.set_vf(pf.index, 0, VfSettings(vlan=VfVlan(101)))
    reply = memory.call("CHECK", pod=pod, deviceID=VF, **EVERYTHING)
    failed(reply, Code.CHECK_FAILED, "no longer imposes vlan 100")


def test_a_pf_that_was_renamed_meanwhile(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, before = memory.add_pod(), settings(memory)
    memory.call("ADD", pod=pod, deviceID=VF, **EVERYTHING)
    pf = memory.kernel.host.find("ens1f0")
    assert pf
    memory.kernel.host.rename(pf.index, "fabric0")
    assert memory.call("DEL", pod=pod, deviceID=VF, **EVERYTHING).exit_code == 0
    assert memory.kernel.host.vf(pf.index, 0) == before
    assert memory.records() == []


def test_vfs_that_are_taken_away_under_the_pod_and_made_anew(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, **EVERYTHING)
    memory.kernel.remove_virtual_functions("ens1f0")
    assert memory.call("DEL", pod=pod, deviceID=VF, **EVERYTHING).exit_code == 0
    assert (memory.records(), memory.held()) == ([], [])
    name, fresh = memory.add_function(VF), memory.add_pod()
    before = settings(memory), memory.seen(name)
    assert memory.call("ADD", pod=fresh, deviceID=VF, container="c2", **EVERYTHING).exit_code == 0
    memory.call("DEL", pod=fresh, deviceID=VF, container="c2", **EVERYTHING)
    assert (settings(memory), memory.seen(name)) == before


@pytest.mark.parametrize("mode", [Mode.REFUSED, Mode.LOST])
def test_whichever_call_fails_add_leaves_nothing(memory: MemoryWorld, mode: Mode) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = settings(memory), memory.seen(name)
    total = count(memory, "ADD", pod)
    for at in range(total):
        faults = Faults(at, mode)
        node = faults.around(memory.node)
        reply = memory.call("ADD", pod=pod, deviceID=VF, node=node, **EVERYTHING)
        step = f"call {at}, {faults.calls[at]}, {mode.value}: {reply.document}"
        if reply.exit_code == 0:
            memory.call("DEL", pod=pod, deviceID=VF, **EVERYTHING)
        assert (settings(memory), memory.seen(name)) == before, step
        assert (memory.in_pod(pod), memory.records(), memory.held()) == ((["lo"], 0), [], []), step


@pytest.mark.parametrize("mode", [Mode.REFUSED, Mode.LOST])
def test_whichever_call_fails_del_is_finished_by_the_next(memory: MemoryWorld, mode: Mode) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = settings(memory), memory.seen(name)
    for at in range(count(memory, "DEL", pod)):
        assert memory.call("ADD", pod=pod, deviceID=VF, **EVERYTHING).exit_code == 0
        faults = Faults(at, mode)
        node = faults.around(memory.node)
        reply = memory.call("DEL", pod=pod, deviceID=VF, node=node, **EVERYTHING)
        step = f"call {at}, {faults.calls[at]}, {mode.value}: {reply.document}"
        assert reply.exit_code or memory.held() == [], step
        assert memory.call("DEL", pod=pod, deviceID=VF, **EVERYTHING).exit_code == 0, step
        assert (settings(memory), memory.seen(name)) == before, step
        assert (memory.in_pod(pod), memory.records(), memory.held()) == ((["lo"], 0), [], []), step


def count(memory: MemoryWorld, command: str, pod: str) -> int:
    """Return how many calls a command makes when nothing fails; leave nothing."""
    counts = {}
    for each in ("ADD", "DEL"):
        faults = Faults()
        node = faults.around(memory.node)
        reply = memory.call(each, pod=pod, deviceID=VF, node=node, **EVERYTHING)
        assert reply.exit_code == 0, reply.document
        counts[each] = len(faults.calls)
    return counts[command]
