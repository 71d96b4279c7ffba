"""Kernels that have not learned all yet: what they do not tell is known from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cni.kernel.fake import releases
from cni.kernel.fake.model import HOST
from cni.kernel.functions import VfSettings
from cni.kernel.types import Link
from cni.rail import detach
from tests.scenario.rail.worlds import MemoryWorld

VF, OTHER_VF = "0000:3b:02.1", "0000:3b:02.2"
STRANGE = "02:00:00:00:66:66"
RELEASES = [releases.OLDEST, (5, 4), (5, 10), (5, 15)]
"""RHEL 8's, and those that are maintained for long."""


@pytest.fixture(params=RELEASES, ids=lambda release: ".".join(map(str, release)))
def older(request: pytest.FixtureRequest, tmp_path: Path) -> MemoryWorld:
    """A node with an older kernel."""
    return MemoryWorld(tmp_path, request.param)


@pytest.fixture
def oldest(tmp_path: Path) -> MemoryWorld:
    """A node with the oldest one."""
    return MemoryWorld(tmp_path, releases.OLDEST)


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detach, "_RETURN_PATIENCE", 0.05)


def rail(world: MemoryWorld, pod: str) -> Link:
    """Return the rail of a pod."""
    with world.kernel.open(pod) as opened:
        link = opened.find("net1")
    assert link
    return link


def test_a_function_goes_and_comes_home(older: MemoryWorld) -> None:
    name, pod = older.add_function(VF), older.add_pod()
    before = older.seen(name)
    asked: dict[str, Any] = {"deviceID": VF, "mac": "02:00:00:00:60:01", "sourceRouting": True}
    assert older.call("ADD", pod=pod, **asked).exit_code == 0
    assert older.call("CHECK", pod=pod, **asked).exit_code == 0
    assert older.call("DEL", pod=pod, **asked).exit_code == 0
    assert (older.seen(name), older.records(), older.held()) == (before, [], [])


def test_a_veth_goes_and_comes_home(older: MemoryWorld) -> None:
    device, pod = older.add_device(), older.add_pod()
    before = older.seen(device)
    assert older.call("ADD", pod=pod, device=device).exit_code == 0
    assert older.call("CHECK", pod=pod, device=device).exit_code == 0
    assert older.call("DEL", pod=pod, device=device).exit_code == 0
    assert (older.seen(device), older.records(), older.held()) == (before, [], [])


def test_a_function_that_the_pod_has_changed_is_known_on_the_host(older: MemoryWorld) -> None:
    """By its address on the bus, which sysfs tells of the host's where the link does not."""
    name, pod = older.add_function(VF, driver="mlx5_core"), older.add_pod()
    before = older.seen(name)
    assert older.call("ADD", pod=pod, deviceID=VF).exit_code == 0
    with older.kernel.open(pod) as opened:
        index = rail(older, pod).index
        opened.set_down(index)
        opened.set_mac(index, STRANGE)
        opened.rename(index, "strange0")
    older.delete_pod(pod)
    assert older.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert (older.seen(name), older.records(), older.held()) == (before, [], [])


def test_a_function_that_takes_on_what_its_pf_prescribes(older: MemoryWorld) -> None:
    """As igbvf does when it starts anew for an MTU."""
    name, pod, host = older.add_function(VF), older.add_pod(), older.kernel.host
    pf = host.find("ens1f0")
    assert pf
    host.set_vf(pf.index, 0, VfSettings(mac=STRANGE))
    assert older.call("ADD", pod=pod, deviceID=VF).exit_code == 0
    assert rail(older, pod).mac == STRANGE
    assert older.call("CHECK", pod=pod, deviceID=VF).exit_code == 0
    assert older.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert (older.records(), older.held()) == ([], [])
    assert host.find(name)


def test_a_new_namespace_of_an_old_ones_number_keeps_its_device(older: MemoryWorld) -> None:
    """Without a cookie both are one to us, and so are two devices with one index in them."""
    one, other = older.add_function(VF), older.add_function(OTHER_VF)
    before = older.seen(one, other)
    pod = pod_with_index_of(older, one)
    assert older.call("ADD", pod=pod, deviceID=VF).exit_code == 0
    index = rail(older, pod).index
    older.delete_pod(pod)
    pod = pod_with_index_of(older, other)
    assert older.call("ADD", pod=pod, deviceID=OTHER_VF, container="c2").exit_code == 0
    assert rail(older, pod).index == index
    assert older.call("DEL", pod="", deviceID=VF).exit_code == 0
    assert "net1" in older.in_pod(pod)[0]
    assert older.call("DEL", pod=pod, deviceID=OTHER_VF, container="c2").exit_code == 0
    assert (older.seen(one, other), older.records(), older.held()) == (before, [], [])


def test_in_the_only_mode_that_it_has_rdma_is_shared(oldest: MemoryWorld) -> None:
    oldest.add_function(VF, rdma_device="mlx5_2")
    oldest.kernel.set_rdma_mode(exclusive=True)
    pod = oldest.add_pod()
    assert oldest.call("ADD", pod=pod, deviceID=VF).exit_code == 0
    assert oldest.call("DEL", pod=pod, deviceID=VF).exit_code == 0
    assert (oldest.records(), oldest.held()) == ([], [])


def pod_with_index_of(world: MemoryWorld, device: str) -> str:
    """Make a pod in which a device cannot keep its index."""
    pod, link = world.add_pod(), world.kernel.host.find(device)
    assert link
    world.kernel.add_veth("eth0", f"{device}p", path=pod, peer_path=HOST, index=link.index)
    return pod
