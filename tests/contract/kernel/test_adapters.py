"""Radios, and who computes checksums."""

from __future__ import annotations

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import Link
from tests.contract.kernel.worlds import World, get


@pytest.mark.parametrize("kind", ["veth", "vxlan"])
def test_who_computes_the_checksums(world: World, pod: Namespace, kind: str) -> None:
    name = world.tunnel(pod.path) if kind == "vxlan" else world.veth(pod.path)[0]
    other, link = get(pod, world.veth(pod.path)[0]), get(pod, name)
    assert link.kind == kind
    assert pod.offloads_checksums(link.index) is True

    world.stop_offloading(name, pod.path)

    assert pod.offloads_checksums(link.index) is False
    assert pod.offloads_checksums(other.index) is True


def test_what_a_driver_fixes_counts_as_it_is(pod: Namespace) -> None:
    assert pod.offloads_checksums(get(pod, "lo").index) is True


def test_a_link_that_is_not_there_offloads_nothing(pod: Namespace) -> None:
    assert pod.offloads_checksums(9999) is None


def test_what_is_no_radio(world: World, pod: Namespace, link: Link) -> None:
    assert pod.radio(link.index) is None
    assert pod.radio(9999) is None
    assert world.kernel.host.radio(1) is None
