"""RDMA devices: named in shared mode; moved along and back in exclusive mode, if asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni.kernel.types import KernelError
from cni.protocol.errors import Code
from cni.rail import detach, device_info, rdma
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.worlds import MemoryWorld

VF = "0000:3b:02.1"


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detach, "_RETURN_PATIENCE", 0.05)
    monkeypatch.setattr(rdma, "_RETURN_PATIENCE", 0.05)


@pytest.fixture
def exclusive(memory: MemoryWorld) -> MemoryWorld:
    """A node in exclusive mode, with a VF that has an RDMA device."""
    memory.kernel.set_rdma_mode(exclusive=True)
    memory.add_function(VF, rdma_device="mlx5_3")
    return memory


def names(memory: MemoryWorld, path: str = "") -> list[str]:
    if not path:
        return [device.name for device in memory.kernel.host.rdma_devices()]
    with memory.kernel.open(path) as pod:
        return [device.name for device in pod.rdma_devices()]


def test_in_shared_mode_it_is_named_and_stays(
    memory: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = memory.paths.state / "devinfo/cni"
    monkeypatch.setattr(device_info, "FOLDERS", (folder,))
    memory.add_function(VF, rdma_device="mlx5_3")
    pod, file = memory.add_pod(), folder / "abc-device.json"
    runtime = {"CNIDeviceInfoFile": str(file)}
    assert memory.call("ADD", pod=pod, deviceID=VF, runtimeConfig=runtime).exit_code == 0
    assert json.loads(file.read_text())["pci"]["rdma-device"] == "mlx5_3"
    assert names(memory) == names(memory, pod) == ["mlx5_3"]


def test_in_exclusive_mode_it_goes_and_comes_home(exclusive: MemoryWorld) -> None:
    pod = exclusive.add_pod()
    assert exclusive.call("ADD", pod=pod, deviceID=VF, rdma="exclusive").exit_code == 0
    assert (names(exclusive), names(exclusive, pod)) == ([], ["mlx5_3"])
    assert exclusive.call("DEL", pod=pod, deviceID=VF, rdma="exclusive").exit_code == 0
    assert (names(exclusive), names(exclusive, pod)) == (["mlx5_3"], [])
    assert (exclusive.records(), exclusive.held()) == ([], [])


def test_it_is_known_again_whatever_the_pod_calls_it(exclusive: MemoryWorld) -> None:
    pod = exclusive.add_pod()
    exclusive.call("ADD", pod=pod, deviceID=VF, rdma="exclusive")
    with exclusive.kernel.open(pod) as opened:
        opened.rename_rdma(opened.rdma_devices()[0].index, "mine")
    exclusive.delete_pod(pod)
    assert exclusive.call("DEL", pod=pod, deviceID=VF, rdma="exclusive").exit_code == 0
    assert names(exclusive) == ["mlx5_3"]


def test_unless_asked_for_it_stays(exclusive: MemoryWorld) -> None:
    pod = exclusive.add_pod()
    assert exclusive.call("ADD", pod=pod, deviceID=VF).exit_code == 0
    assert (names(exclusive), names(exclusive, pod)) == (["mlx5_3"], [])


def test_what_cannot_move_says_why(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    device, pod = memory.add_device(), memory.add_pod()
    wanted: dict[str, Any] = {"rdma": "exclusive"}
    failed(memory.call("ADD", pod=pod, device=device, **wanted), Code.INVALID_CONFIG, "no VF")
    reply = memory.call("ADD", pod=pod, deviceID=VF, **wanted)
    failed(reply, Code.INVALID_CONFIG, "shared mode", "rdma system set netns exclusive")
    memory.kernel.set_rdma_mode(exclusive=True)
    reply = memory.call("ADD", pod=pod, deviceID=VF, **wanted)
    failed(reply, Code.TRY_AGAIN, "no RDMA device on the host")
    assert (memory.in_pod(pod)[0], memory.records(), memory.held()) == (["lo"], [], [])


def test_a_move_that_fails_leaves_nothing(exclusive: MemoryWorld) -> None:
    pod = exclusive.add_pod()

    def before_change(verb: str) -> None:
        if verb.startswith("rdma"):
            raise KernelError(verb, 5, "Injected")

    exclusive.kernel.machine.before_change = before_change
    reply = exclusive.call("ADD", pod=pod, deviceID=VF, rdma="exclusive")
    failed(reply, Code.IO_FAILURE, "rdma dev set mlx5_3")
    assert names(exclusive) == ["mlx5_3"]
    assert (exclusive.in_pod(pod)[0], exclusive.records(), exclusive.held()) == (["lo"], [], [])


def test_one_that_does_not_come_home_is_waited_for(exclusive: MemoryWorld) -> None:
    pod, hidden = exclusive.add_pod(), exclusive.add_pod()
    exclusive.call("ADD", pod=pod, deviceID=VF, rdma="exclusive")
    with exclusive.kernel.open(pod) as opened, exclusive.kernel.open(hidden) as other:
        opened.move_rdma(opened.rdma_devices()[0].index, other)
    assert exclusive.call("DEL", pod=pod, deviceID=VF, rdma="exclusive").exit_code == 0
    assert len(exclusive.records()) == 1
    reply = exclusive.call("ADD", pod=exclusive.add_pod(), deviceID=VF, container="c2")
    failed(reply, Code.TRY_AGAIN, "is not yet as it was before")
    exclusive.delete_pod(hidden)
    assert exclusive.call("DEL", pod=pod, deviceID=VF, rdma="exclusive").exit_code == 0
    assert (names(exclusive), exclusive.records()) == (["mlx5_3"], [])


def test_one_that_is_gone_for_good_is_not_waited_for(exclusive: MemoryWorld) -> None:
    pod = exclusive.add_pod()
    exclusive.call("ADD", pod=pod, deviceID=VF, rdma="exclusive")
    exclusive.kernel.machine.rdma_devices.clear()
    assert exclusive.call("DEL", pod=pod, deviceID=VF, rdma="exclusive").exit_code == 0
    assert exclusive.records() == []


def test_one_that_its_driver_made_anew_is_another(exclusive: MemoryWorld) -> None:
    pod = exclusive.add_pod()
    exclusive.call("ADD", pod=pod, deviceID=VF, rdma="exclusive")
    exclusive.kernel.remove_virtual_functions("ens1f0")
    exclusive.add_function(VF, rdma_device="mlx5_4")
    assert exclusive.call("DEL", pod=pod, deviceID=VF, rdma="exclusive").exit_code == 0
    assert (names(exclusive), exclusive.records()) == (["mlx5_4"], [])
