"""Killed at any call of etcd, whatever becomes of that call: what follows finds its way."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import pytest

from tests.etcd.unreliable import Fault
from tests.scenario.cluster.world import Machine, World

Work: TypeAlias = Callable[[Machine], object]


def first_add(node: Machine) -> None:
    node.add()


def add_with_a_new_block(node: Machine) -> None:
    node.add()


def upkeep(node: Machine) -> None:
    node.upkeep()


def requested(node: Machine) -> None:
    node.add(ip="10.60.0.5")


def sticky(node: Machine) -> None:
    node.add(name="rank-0", sticky="pod")


def nothing(_: Machine) -> None:
    """Be a machine that was never used."""


def full_block(node: Machine) -> None:
    node.adds(4)


def rebooted(node: Machine) -> None:
    node.adds(5)
    node.upkeep()
    node.reboot()


def lost(node: Machine) -> None:
    node.adds(5)
    node.upkeep()
    node.lose_journal()


def lost_before_reboot(node: Machine) -> None:
    lost(node)
    node.reboot()


def much_to_tell(node: Machine) -> None:
    for pod in node.adds(9)[2:]:
        node.delete(pod)
    node.wait(100)


def stopped(node: Machine) -> None:
    for pod in (node.add(ip="10.60.0.5"), node.add(name="rank-0", sticky="pod"), *node.adds(9)):
        node.delete(pod)
    node.wait(100)


HISTORIES: dict[str, tuple[Work, Work]] = {
    "first ADD": (nothing, first_add),
    "ADD with a new block": (full_block, add_with_a_new_block),
    "ADD after a reboot": (rebooted, first_add),
    "ADD after the journal was lost": (lost, first_add),
    "ADD after the journal was lost and a reboot": (lost_before_reboot, first_add),
    "ADD of a requested address": (full_block, requested),
    "ADD of a sticky address": (full_block, sticky),
    "upkeep": (much_to_tell, upkeep),
    "upkeep after DEL": (stopped, upkeep),
    "upkeep after a reboot": (rebooted, upkeep),
}


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("history", HISTORIES)
def test_killed_at_each_call(new_world: Callable[[], World], history: str, fault: Fault) -> None:
    before, work = HISTORIES[history]
    at, was_killed = 0, True
    while was_killed:
        world = new_world()
        node = world.machine()
        before(node)
        was_killed = node.killed(at, fault, partial(work, node))
        world.audit()
        go_on(world, node)
        at += 1
    assert at > 1


def go_on(world: World, node: Machine) -> None:
    """Live on; what was put off comes at the worst times; in the end nothing is left."""
    another = world.machine()
    another.adds(2)
    node.line.late()
    pods = node.adds(6)
    world.audit()
    node.upkeep()
    another.adds(2)
    node.line.late()
    world.audit()
    for machine in (node, another):
        for pod in [*machine.pods.values()]:
            machine.delete(pod)
        assert machine.upkeep()
    assert not world.static() or all(r["released"] or r["sticky"] for r in world.static().values())
    world.audit()
    for pod in pods:
        assert pod.slot not in world.mirror()
    node.reboot()
    node.adds(3)
    world.audit()
    for machine in (node, another):
        machine.reboot()
        world.wait(200)
        machine.upkeep()
        world.wait(200)
        machine.upkeep()
    world.audit()
    assert len(world.owners()) <= 2
