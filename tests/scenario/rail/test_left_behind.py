"""What a pod leaves of its VF: taken back in full or waited for, and nobody else's work undone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cni.kernel.fake import FakeNamespace
from cni.kernel.functions import VfVlan
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.rail import detach, device_info
from cni.rail.node import Node
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_check import gc
from tests.scenario.rail.test_prescribed import OWN, link, operator_sets
from tests.scenario.rail.test_vf_settings import EVERYTHING, OTHER_VF, VF, refuse, settings
from tests.scenario.rail.worlds import PF, MemoryWorld


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detach, "_RETURN_PATIENCE", 0.05)


def refuse_vlan(memory: MemoryWorld) -> None:
    """Let the PF refuse to take its VLAN back."""
    refuse(memory, lambda verb: "vf 0 vlan 0" in verb)


def obey(memory: MemoryWorld) -> None:
    refuse(memory, lambda _: False)


def leave_vlan(memory: MemoryWorld, **given: Any) -> str:
    """Attach and delete a pod whose VLAN the PF does not take back; return its namespace."""
    pod = memory.add_pod()
    assert memory.call("ADD", pod=pod, deviceID=VF, vlan=100, **given).exit_code == 0
    refuse_vlan(memory)
    assert memory.call("DEL", pod=pod, deviceID=VF, vlan=100, **given).exit_code == 0
    assert settings(memory).vlan == VfVlan(100)
    return pod


def is_nobody_elses(memory: MemoryWorld, **given: Any) -> None:
    pod = memory.add_pod()
    reply = memory.call("ADD", pod=pod, deviceID=VF, container="c9", **given)
    failed(reply, Code.TRY_AGAIN, "is not yet as it was before")
    assert memory.in_pod(pod)[0] == ["lo"]


@pytest.mark.parametrize(
    ("given", "changed", "words"),
    [
        ({"vlan": 100}, {"vlan": VfVlan(7)}, "vlan 7 "),
        (EVERYTHING, {"vlan": VfVlan(7)}, "vlan 7 "),
        ({"vlan": 0}, {"vlan": VfVlan(4)}, ""),
        ({"vlan": 100, "spoofchk": "off"}, {"trust": True}, ""),
        ({}, {"trust": True, "vlan": VfVlan(4), "spoofchk": False}, ""),
    ],
)
def test_what_the_operator_changes_under_the_pod_stays(
    memory: MemoryWorld,
    caplog: pytest.LogCaptureFixture,
    given: dict[str, Any],
    changed: dict[str, Any],
    words: str,
) -> None:
    memory.add_function(VF)
    pod, before = memory.add_pod(), settings(memory)
    assert memory.call("ADD", pod=pod, deviceID=VF, **given).exit_code == 0
    operator_sets(memory, **changed)
    assert memory.call("DEL", pod=pod, deviceID=VF, **given).exit_code == 0
    assert settings(memory) == replace(before, **changed)
    assert (memory.records(), memory.held()) == ([], [])
    warned = [record.message for record in caplog.records if "it stays" in record.message]
    assert len(warned) == (1 if words else 0)
    assert words in "".join(warned)


@pytest.mark.parametrize("given", [{"vlan": 100}, {"vlan": 100, "trust": "on"}])
def test_vfs_made_anew_under_the_pod_keep_the_operators_vlan(
    memory: MemoryWorld, given: dict[str, Any]
) -> None:
    memory.add_function(VF, mac=OWN)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF, **given)
    memory.kernel.remove_virtual_functions("ens1f0")
    memory.add_function(VF, mac=OWN)
    operator_sets(memory, vlan=VfVlan(7))
    after = settings(memory)
    assert memory.call("DEL", pod=pod, deviceID=VF, **given).exit_code == 0
    assert (settings(memory), memory.records(), memory.held()) == (after, [], [])


def test_one_refusal_does_not_keep_the_rest_from_being_taken_back(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, before = memory.add_pod(), settings(memory)
    memory.call("ADD", pod=pod, deviceID=VF, **EVERYTHING)
    refuse_vlan(memory)
    assert memory.call("DEL", pod=pod, deviceID=VF, **EVERYTHING).exit_code == 0
    assert settings(memory) == replace(before, vlan=VfVlan(100, 3))
    assert len(memory.records()) == 1


def test_a_programs_vf_that_gets_a_network_driver_is_still_waited_for(memory: MemoryWorld) -> None:
    memory.add_function(VF, driver="vfio-pci")
    before = settings(memory)
    leave_vlan(memory)
    memory.kernel.rebind(VF, "igbvf", "vf0")
    is_nobody_elses(memory)
    is_nobody_elses(memory, vlan=200)
    obey(memory)
    pod = memory.add_pod()
    assert memory.call("ADD", pod=pod, deviceID=VF, container="c2").exit_code == 0
    assert settings(memory).vlan == before.vlan
    assert memory.call("DEL", pod=pod, deviceID=VF, container="c2").exit_code == 0
    assert (memory.records(), link(memory, "vf0").up) == ([], False)


def test_a_programs_vf_that_is_released_is_not_held_by_its_old_namespace(
    memory: MemoryWorld,
) -> None:
    memory.add_function(VF, driver="vfio-pci")
    before = settings(memory)
    old = leave_vlan(memory)
    is_nobody_elses(memory)
    obey(memory)
    reply = memory.call("ADD", pod=memory.add_pod(), deviceID=VF, container="c2")
    assert reply.exit_code == 0, reply.document
    assert (settings(memory), memory.in_pod(old)[0]) == (before, ["lo"])
    assert len(memory.records()) == len(memory.held()) == 1


def test_a_vf_that_is_given_to_a_program_under_the_pod_is_taken_back(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, before = memory.add_pod(), settings(memory)
    memory.call("ADD", pod=pod, deviceID=VF, vlan=100, trust="on", max_tx_rate=200)
    memory.kernel.rebind(VF, "vfio-pci")
    assert memory.call("DEL", pod=pod, deviceID=VF, vlan=100).exit_code == 0
    assert (settings(memory), memory.records(), memory.held()) == (before, [], [])


def test_what_is_waited_for_is_released_once(memory: MemoryWorld) -> None:
    """The same attachment on another VF keeps its address when the old one is finished."""
    for address in (VF, OTHER_VF):
        memory.add_function(address)
    leave_vlan(memory)
    assert memory.held() == []
    assert memory.call("ADD", pod=memory.add_pod(), deviceID=OTHER_VF).exit_code == 0
    held = memory.held()
    assert len(held) == 1
    is_nobody_elses(memory)
    assert memory.held() == held
    obey(memory)
    assert memory.call("ADD", pod=memory.add_pod(), deviceID=VF, container="c2").exit_code == 0
    assert set(held) < set(memory.held())
    assert len(memory.held()) == len(memory.records()) == 2


class Unwell:
    """An IPAM plugin that releases nothing, and so is none that gives either."""

    def release(self, request: Request) -> None:
        raise CniError(Code.IO_FAILURE, f"{request.container_id}: the store is away")


def without_ipam(node: Node) -> Node:
    return replace(node, ipam_for=lambda _: Unwell())  # type: ignore[arg-type, return-value]


def test_without_its_address_released_a_vf_is_nobody_elses_either(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, before = memory.add_pod(), settings(memory)
    memory.call("ADD", pod=pod, deviceID=VF, vlan=100)
    refuse_vlan(memory)
    node = without_ipam(memory.node)
    reply = memory.call("DEL", pod=pod, deviceID=VF, vlan=100, node=node)
    failed(reply, Code.IO_FAILURE, "the store is away")
    assert len(memory.held()) == 1
    other = memory.add_pod()
    reply = memory.call("ADD", pod=other, deviceID=VF, container="c2", node=node)
    failed(reply, Code.TRY_AGAIN, "is not yet as it was before")
    assert memory.in_pod(other)[0] == ["lo"]
    obey(memory)
    assert memory.call("DEL", pod=pod, deviceID=VF, vlan=100).exit_code == 0
    assert (settings(memory), memory.records(), memory.held()) == (before, [], [])


def test_a_pf_that_is_away_has_taken_nothing_back(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod, away, before = memory.add_pod(), memory.add_pod(), settings(memory)
    memory.call("ADD", pod=pod, deviceID=VF, vlan=100, mtu=1500)
    host = memory.kernel.host
    with memory.kernel.open(away) as elsewhere:
        host.move(link(memory, "ens1f0").index, elsewhere, "ens1f0")
        reply = memory.call("CHECK", pod=pod, deviceID=VF, vlan=100, mtu=1500)
        failed(reply, Code.CHECK_FAILED, f"the PF of {VF} has no interface on the host")
        assert memory.call("DEL", pod=pod, deviceID=VF, vlan=100).exit_code == 0
        is_nobody_elses(memory)
        elsewhere.move(link(memory, "ens1f0", away).index, host, "ens1f0")
    host.set_up(link(memory, "ens1f0").index)
    assert gc(memory).exit_code == 0
    assert (settings(memory), memory.records(), memory.held()) == (before, [], [])


def test_a_pf_that_does_not_list_its_vf_is_asked_for_nothing(
    memory: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.add_function(VF)
    monkeypatch.setattr(FakeNamespace, "vf", lambda *_: None)
    for given in ({"vlan": 100}, {"mac": "02:00:00:00:60:01"}):
        reply = memory.call("ADD", pod=memory.add_pod(), deviceID=VF, **given)
        failed(reply, Code.TRY_AGAIN, "ens1f0 does not tell", f"VF 0 ({VF})", "ip link show")
    assert memory.call("ADD", pod=memory.add_pod(), deviceID=VF).exit_code == 0


def test_a_vf_that_waits_for_its_name_has_the_baseline_of_its_next_pod(
    memory: MemoryWorld,
) -> None:
    name, pod, other = memory.add_function(VF), memory.add_pod(), memory.add_pod()
    before = settings(memory), memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF)
    memory.kernel.add_veth(name, "peer0")
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    given: dict[str, Any] = {"deviceID": VF, "container": "c2", "vlan": 100, "trust": "on"}
    assert memory.call("ADD", pod=other, **given).exit_code == 0
    assert settings(memory) == replace(before[0], vlan=VfVlan(100), trust=True)
    memory.kernel.delete_link(name)
    assert memory.call("DEL", pod=other, **given).exit_code == 0
    assert (settings(memory), memory.seen(name)) == before
    assert (memory.records(), memory.held()) == ([], [])


@pytest.mark.parametrize(
    "document",
    [
        {"type": "vdpa", "vdpa": {"driver": "vhost", "path": "/dev/vhost-vdpa0"}},
        {"type": "vdpa", "vdpa": {"driver": "vhost"}, "pci": {"pci-address": VF}},
        {"type": "vhost-user", "version": "1.0.0"},
    ],
)
def test_a_device_info_file_of_another_type_is_not_touched(
    memory: MemoryWorld, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> None:
    file = device_info_file(memory, monkeypatch, document)
    pod = memory.add_pod()
    given: dict[str, Any] = {"deviceID": VF, "runtimeConfig": {"CNIDeviceInfoFile": str(file)}}
    reply = memory.call("ADD", pod=pod, **given)
    failed(reply, Code.INVALID_CONFIG, "CNIDeviceInfoFile", document["type"], VF)
    assert memory.call("DEL", pod=pod, **given).exit_code == 0
    assert json.loads(file.read_text()) == document
    assert (memory.in_pod(pod)[0], memory.records(), memory.held()) == (["lo"], [], [])


def test_a_device_info_file_with_upper_case_speaks_of_the_same_vf(
    memory: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"type": "pci", "pci": {"pci-address": VF.upper(), "representor-device": "rep0"}}
    file = device_info_file(memory, monkeypatch, known)
    pod = memory.add_pod()
    given: dict[str, Any] = {"deviceID": VF, "runtimeConfig": {"CNIDeviceInfoFile": str(file)}}
    assert memory.call("ADD", pod=pod, **given).exit_code == 0
    expected = {"pci-address": VF, "pf-pci-address": PF, "representor-device": "rep0"}
    assert json.loads(file.read_text())["pci"] == expected
    file.write_text(json.dumps(known))  # the device plugin writes it again
    assert memory.call("DEL", pod=pod, **given).exit_code == 0
    assert not file.exists()


def device_info_file(
    memory: MemoryWorld, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any]
) -> Path:
    """Make a VF, and a device-info file that somebody has written before."""
    memory.add_function(VF)
    folder = memory.paths.state / "devinfo/cni"
    folder.mkdir(parents=True)
    monkeypatch.setattr(device_info, "FOLDERS", (folder,))
    file = folder / "abc-device.json"
    file.write_text(json.dumps(document))
    return file


def test_a_rate_that_no_request_can_carry_is_the_configurations_fault(memory: MemoryWorld) -> None:
    memory.kernel.add_physical_function("ens1f0", pci=PF, mtu=9000, speed=2**80)
    memory.add_function(VF)
    for rate in (2**31, 2**32, 2**70):
        reply = memory.call("ADD", pod=memory.add_pod(), deviceID=VF, max_tx_rate=rate)
        failed(reply, Code.INVALID_CONFIG, "max_tx_rate", str(2**31 - 1))
    reply = memory.call("ADD", pod=memory.add_pod(), deviceID=VF, max_tx_rate=2**31 - 1)
    assert reply.exit_code == 0
