"""Virtual functions: found by PCI address, limited by their PF, home again whatever happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cni.protocol.errors import Code
from cni.rail import detach, device_info
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_check import gc
from tests.scenario.rail.worlds import MemoryWorld

VF = "0000:3b:02.1"


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detach, "_RETURN_PATIENCE", 0.05)


def test_a_function_goes_and_comes_home(memory: MemoryWorld) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = memory.seen(name)
    reply = memory.call("ADD", pod=pod, deviceID=VF)
    assert reply.document is not None
    assert reply.document["interfaces"][0]["pciID"] == VF
    assert memory.call("CHECK", pod=pod, deviceID=VF).exit_code == 0
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert (memory.seen(name), memory.records(), memory.held()) == (before, [], [])


def test_the_pf_must_carry_the_mtu(memory: MemoryWorld) -> None:
    memory.add_function(VF, pf_mtu=1500)
    reply = memory.call("ADD", pod=memory.add_pod(), deviceID=VF)
    failed(reply, Code.INVALID_CONFIG, "1500", "ens1f0", "ip link set dev ens1f0 mtu 9000")


def test_back_by_itself_under_the_pods_name_it_gets_its_own_again(memory: MemoryWorld) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF, mac="02:00:00:00:60:01")
    memory.delete_pod(pod)
    assert memory.kernel.host.find("net1") is not None
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert (memory.seen(name), memory.records(), memory.held()) == (before, [], [])


def test_handed_out_again_before_the_old_del_it_starts_from_its_own_baseline(
    memory: MemoryWorld,
) -> None:
    name, pod, other = memory.add_function(VF), memory.add_pod(), memory.add_pod()
    before = memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF, mac="02:00:00:00:60:01")
    memory.delete_pod(pod)
    second = memory.call("ADD", pod=other, deviceID=VF, container="c2")
    assert second.exit_code == 0, second.document
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert memory.in_pod(other)[0] == ["lo", "net1"]  # the old DEL left it alone
    assert memory.call("DEL", pod=other, deviceID=VF, container="c2").exit_code == 0
    assert (memory.seen(name), memory.records(), memory.held()) == (before, [], [])


def test_what_is_kept_away_is_recorded_with_its_address_and_finished_later(
    memory: MemoryWorld,
) -> None:
    name, pod, hidden = memory.add_function(VF), memory.add_pod(), memory.add_pod()
    before = memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF)
    with memory.kernel.open(pod) as opened, memory.kernel.open(hidden) as other:
        link = opened.find("net1")
        assert link is not None
        opened.move(link.index, other, "hidden0")
    for _ in range(2):
        assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
        assert len(memory.records()) == 1
        assert len(memory.held()) == 1  # somebody may still answer for it
    reply = memory.call("ADD", pod=memory.add_pod(), deviceID=VF, container="c2")
    failed(reply, Code.TRY_AGAIN, "lsns -t net")
    memory.delete_pod(hidden)
    assert gc(memory).exit_code == 0
    assert (memory.seen(name), memory.records(), memory.held()) == (before, [], [])


def test_a_function_that_exists_no_more_is_not_waited_for(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF)
    memory.kernel.remove_virtual_functions("ens1f0")
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert (memory.records(), memory.held()) == ([], [])


def test_the_device_info_file(memory: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = memory.paths.state / "devinfo/cni"
    monkeypatch.setattr(device_info, "FOLDERS", (folder,))
    memory.add_function(VF)
    pod, file = memory.add_pod(), folder / "abc-device.json"
    runtime: dict[str, Any] = {"runtimeConfig": {"CNIDeviceInfoFile": str(file)}, "deviceID": VF}
    memory.call("ADD", pod=pod, **runtime)
    assert json.loads(file.read_text()) == {
        "type": "pci",
        "version": "1.1.0",
        "pci": {"pci-address": VF, "pf-pci-address": "0000:3b:00.0"},
    }
    file.write_text(
        json.dumps({"type": "pci", "pci": {"pci-address": VF, "rdma-device": "mlx5_3"}})
    )
    memory.call("DEL", pod=pod, **runtime)
    assert list(Path(folder).iterdir()) == []
    file.write_text(json.dumps({"type": "pci", "pci": {"pci-address": "0000:3b:02.7"}}))
    reply = memory.call("ADD", pod=pod, **runtime)
    failed(reply, Code.INVALID_CONFIG, "0000:3b:02.7")
    assert file.exists()  # it is another attachment's
    assert (memory.records(), memory.held()) == ([], [])


def test_hardware_that_is_no_function_is_waited_for_as_well(memory: MemoryWorld) -> None:
    device, pod, hidden = "nic0", memory.add_pod(), memory.add_pod()
    memory.kernel.add_physical(device)
    before = memory.seen(device)
    memory.call("ADD", pod=pod, device=device)
    with memory.kernel.open(pod) as opened, memory.kernel.open(hidden) as other:
        link = opened.find("net1")
        assert link is not None
        opened.move(link.index, other, "hidden0")
    assert memory.call("DEL", pod=pod, device=device).exit_code == 0
    assert (len(memory.records()), len(memory.held())) == (1, 1)
    memory.delete_pod(hidden)
    assert memory.call("DEL", pod=pod, device=device).exit_code == 0
    assert (memory.seen(device), memory.records(), memory.held()) == (before, [], [])


def test_an_altname_of_the_pods_does_not_stay(memory: MemoryWorld) -> None:
    name, pod = memory.add_function(VF), memory.add_pod()
    before = memory.seen(name)
    memory.call("ADD", pod=pod, deviceID=VF)
    with memory.kernel.open(pod) as opened:
        link = opened.find("net1")
        assert link is not None
        opened.add_altname(link.index, "eth7")
    memory.delete_pod(pod)
    assert memory.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert memory.seen(name) == before


def test_no_route_by_router_advertisement(memory: MemoryWorld) -> None:
    memory.add_function(VF)
    pod = memory.add_pod()
    memory.call("ADD", pod=pod, deviceID=VF)
    with memory.kernel.open(pod) as opened:
        control = memory.kernel.add_veth("ctl0", "ctl1", path=pod)
        for name in ("ctl0", "ctl1"):
            link = opened.find(name)
            assert link is not None
            opened.set_up(link.index)
        memory.kernel.advertise_router(pod)
        rail = opened.find("net1")
        assert rail is not None
        defaults = [
            [route for route in opened.routes(index) if route.dst.prefixlen == 0]
            for index in (rail.index, control.index)
        ]
    assert defaults[0] == []
    assert len(defaults[1]) == 1  # what does not refuse them gets one


def test_a_host_without_ipv6(tmp_path: Path) -> None:
    class WithoutIpv6(MemoryWorld):
        has_ipv6 = False

    world = WithoutIpv6(tmp_path)
    device, pod = world.add_device(), world.add_pod()
    assert world.call("ADD", pod=pod, device=device).exit_code == 0
    assert world.call("CHECK", pod=pod, device=device).exit_code == 0
    assert world.call("DEL", pod=pod, device=device).exit_code == 0


def test_without_carrier_add_succeeds_and_says_that_it_announced_nothing(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    name = memory.add_function(VF)
    memory.kernel.set_carrier(name, connected=False)
    assert memory.call("ADD", pod=memory.add_pod(), deviceID=VF).exit_code == 0
    assert "no carrier" in caplog.text
    assert not memory.kernel.announcements
