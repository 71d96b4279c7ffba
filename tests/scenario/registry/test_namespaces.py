"""Which addresses a node's namespaces have: on the running kernel, and on the one in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_interface

import pytest

from install.railctl.ipam.namespaces import look
from tests.contract.kernel.worlds import FakeWorld, LinuxWorld, World

ADDRESS = ip_interface("198.18.77.3/24")


@pytest.fixture(params=["fake", pytest.param("linux", marks=pytest.mark.netns)])
def kernel_world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        yield FakeWorld()
        return
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with ExitStack() as undo:
        yield LinuxWorld(undo)


def test_an_address_is_seen_with_its_namespace(kernel_world: World) -> None:
    path = kernel_world.namespace()
    name, _ = kernel_world.veth(path)
    with kernel_world.kernel.open(path) as pod:
        link = pod.find(name)
        assert link
        pod.add_address(link.index, ADDRESS)
        identity = pod.identity
    counts: list[int] = []
    view = look(kernel_world.kernel, counts.append)
    (seen,) = [one for one in view.seen if one.address == ADDRESS.ip]
    assert (seen.link, seen.path) == (name, path)
    assert str(seen) == f"{name} in {path}"
    assert view.namespaces[identity] == path
    assert counts[-1] == len(view.namespaces) >= 2


def test_a_namespace_that_has_a_process_only_is_seen_by_it(kernel_world: World) -> None:
    path = kernel_world.namespace()
    by_process = kernel_world.keep_alive(path)
    name, _ = kernel_world.veth(path)
    with kernel_world.kernel.open(path) as pod:
        link = pod.find(name)
        assert link
        pod.add_address(link.index, ADDRESS)
    kernel_world.delete_namespace(path)
    view = look(kernel_world.kernel)
    assert [one.path for one in view.seen if one.address == ADDRESS.ip] == [by_process]
