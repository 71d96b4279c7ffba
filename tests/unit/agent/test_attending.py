"""What the agent's part in rail-sriov offers to the agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.agent.attending import Attending
from cni.agent.interface import Part
from tests.scenario.rail.worlds import MemoryWorld


@pytest.fixture
def part(tmp_path: Path) -> Part:
    return Attending(MemoryWorld(tmp_path).node)


def test_it_tells_of_a_node_that_nothing_has_happened_on(part: Part) -> None:
    assert {family.name: family.kind for family in part.figures()} == {
        "attachments": "gauge",
        "unfinished_attachments": "gauge",
        "unannounced_attachments": "gauge",
        "drifted_attachments": "gauge",
        "reclaimed_attachments": "counter",
        "reclaim_alarm": "gauge",
        "vfs": "gauge",
        "pf_up": "gauge",
        "pf_carrier": "gauge",
        "pf_mtu_bytes": "gauge",
        "pf_least_mtu_bytes": "gauge",
        "pf_errors": "counter",
        "rdma_port_up": "gauge",
    }
    assert list(part.problems()) == []
    part.close()


def test_each_sample_has_a_value_for_each_label(tmp_path: Path) -> None:
    world = MemoryWorld(tmp_path)
    world.kernel.add_physical_function("ens1f0", pci="0000:3b:00.0", rdma_device="mlx5_0")
    world.add_function("0000:3b:02.1")
    world.call("ADD", pod=world.add_pod(), deviceID="0000:3b:02.1", mtu=1500)
    part = Attending(world.node, blindness=str)
    for chore in part.chores:
        chore.run()
    families = list(part.figures())
    for family in families:
        assert all(len(sample.labels) == len(family.labels) for sample in family.samples)
    assert [family.name for family in families if not family.samples] == ["drifted_attachments"]


def test_how_often_what_is_done(part: Part) -> None:
    periods = {chore.name: chore.period for chore in part.chores}
    assert periods == {"announce": 1, "rails": 2, "repair": 10, "drift": 60}


def test_by_default_it_frees_only_what_it_sees_to_be_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever this test runs in: it asks, and what it hears is in its problems."""
    monkeypatch.setattr("cni.agent.sight.blindness.__defaults__", (tmp_path / "nowhere",))
    part = Attending(MemoryWorld(tmp_path).node)
    (repair,) = [chore for chore in part.chores if chore.name == "repair"]
    repair.run()
    (problem,) = part.problems()
    assert problem.startswith("no attachment is freed: this process does not see")
