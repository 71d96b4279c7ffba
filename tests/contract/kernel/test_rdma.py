"""RDMA devices: seen by all namespaces or by one, moved and renamed."""

from __future__ import annotations

import errno
import re

import pytest

from cni.kernel.functions import RdmaDevice
from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError
from tests.contract.kernel.worlds import World, eventually, refuses

NOBODY = 9999


@pytest.fixture
def host(world: World) -> Namespace:
    return world.kernel.host


@pytest.fixture
def device(world: World, host: Namespace) -> RdmaDevice:
    """One on the host."""
    return find(host, world.rdma_device())


@pytest.fixture
def _exclusive(world: World) -> None:
    world.make_rdma_exclusive()


def find(namespace: Namespace, name: str) -> RdmaDevice:
    return next(device for device in namespace.rdma_devices() if device.name == name)


def names(namespace: Namespace) -> list[str]:
    return [device.name for device in namespace.rdma_devices()]


def test_without_rdma_there_is_none(world: World, host: Namespace, pod: Namespace) -> None:
    assert list(host.rdma_devices()) == list(pod.rdma_devices()) == []
    assert not world.kernel.rdma_is_exclusive()
    with pytest.raises(KernelError, match=f"rdma dev set index{NOBODY} name rail0: "):
        host.rename_rdma(NOBODY, "rail0")
    with pytest.raises(KernelError, match=f"rdma dev set index{NOBODY} netns {pod.path}: "):
        host.move_rdma(NOBODY, pod)


def test_the_ports_of_a_device(world: World, device: RdmaDevice) -> None:
    (port,) = world.sysfs.rdma_ports(device.name)
    assert (port.device, port.number) == (device.name, 1)
    assert port.state in {"ACTIVE", "DOWN"}
    assert port.is_active == (port.state == "ACTIVE")


def test_nobodys_ports(world: World) -> None:
    assert list(world.sysfs.rdma_ports("nobody")) == list(world.sysfs.rdma_ports("")) == []


def test_every_namespace_sees_a_shared_device(
    world: World, host: Namespace, pod: Namespace, device: RdmaDevice
) -> None:
    assert re.fullmatch(r"([0-9a-f]{4}:){3}[0-9a-f]{4}", device.node_guid)
    assert device in pod.rdma_devices()
    assert not world.kernel.rdma_is_exclusive()
    refuses(errno.EOPNOTSUPP, lambda: host.move_rdma(device.index, pod))


def test_renaming(world: World, host: Namespace, device: RdmaDevice) -> None:
    name, other = world.name(), world.rdma_device()
    host.rename_rdma(device.index, name)

    renamed = find(host, name)
    assert (renamed.index, renamed.node_guid) == (device.index, device.node_guid)
    refuses(errno.EEXIST, lambda: host.rename_rdma(device.index, other))
    host.rename_rdma(device.index, device.name)


def test_there_is_no_such_device(host: Namespace, pod: Namespace, device: RdmaDevice) -> None:
    assert device.index != NOBODY
    refuses(errno.EINVAL, lambda: host.rename_rdma(NOBODY, "rail0"))
    refuses(errno.EINVAL, lambda: host.move_rdma(NOBODY, pod))


@pytest.mark.usefixtures("_exclusive")
def test_one_namespace_sees_an_exclusive_device(
    world: World, device: RdmaDevice, pod: Namespace
) -> None:
    assert world.kernel.rdma_is_exclusive()
    assert device.name not in names(pod)
    refuses(errno.EINVAL, lambda: pod.rename_rdma(device.index, "rail0"))


@pytest.mark.usefixtures("_exclusive")
def test_a_move(world: World, host: Namespace, device: RdmaDevice, pod: Namespace) -> None:
    if not world.can_move_rdma:
        refuses(errno.EOPNOTSUPP, lambda: host.move_rdma(device.index, pod))
        return
    host.move_rdma(device.index, pod)
    assert (names(host), names(pod)) == ([], [device.name])

    pod.move_rdma(device.index, host)
    assert (find(host, device.name), names(pod)) == (device, [])


@pytest.mark.usefixtures("_exclusive")
def test_a_device_comes_home_when_its_namespace_dies(
    world: World, host: Namespace, device: RdmaDevice
) -> None:
    if not world.can_move_rdma:
        pytest.skip("rdma_rxe stays where it is")
    path = world.namespace()
    with world.kernel.open(path) as pod:
        host.move_rdma(device.index, pod)
    world.delete_namespace(path)

    eventually(lambda: names(host) == [device.name])


def test_a_stranger_is_no_target(host: Namespace) -> None:
    with pytest.raises(TypeError):
        host.move_rdma(1, "net1")  # type: ignore[arg-type]
