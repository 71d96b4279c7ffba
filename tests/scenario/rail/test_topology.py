"""A container whose rails are on several NUMA nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scenario.rail.worlds import MemoryWorld

if TYPE_CHECKING:
    import pytest

FIRST, SECOND, THIRD = "0000:3b:02.1", "0000:3b:02.2", "0000:3b:02.3"


def test_a_rail_on_another_numa_node_is_warned_of(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    near, far = memory.add_function(FIRST, numa_node=0), memory.add_function(SECOND, numa_node=1)
    memory.add_function(THIRD)
    pod = memory.add_pod()
    for ifname, address in (("net1", FIRST), ("net2", THIRD)):
        assert memory.call("ADD", pod=pod, deviceID=address, ifname=ifname).exit_code == 0
    assert "NUMA" not in caplog.text
    assert memory.call("ADD", pod=pod, deviceID=SECOND, ifname="net3").exit_code == 0
    assert f"{far} is on NUMA node 1, but net1 of the same container ({near})" in caplog.text


def test_another_container_may_be_anywhere(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    for node, address in enumerate((FIRST, SECOND)):
        memory.add_function(address, numa_node=node)
        reply = memory.call("ADD", pod=memory.add_pod(), deviceID=address, container=f"c{node}")
        assert reply.exit_code == 0
    assert "NUMA" not in caplog.text
