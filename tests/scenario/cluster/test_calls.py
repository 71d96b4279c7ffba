"""How often etcd is asked: only when a node needs a block, and for the mirror in batches."""

from __future__ import annotations

from tests.scenario.cluster.given import NODE_FILE, QUARANTINE
from tests.scenario.cluster.world import Machine, World


def count(node: Machine) -> int:
    return len(node.line.calls)


def test_an_add_asks_only_when_its_node_needs_a_block(world: World) -> None:
    node = world.machine()
    node.add()
    calls = count(node)
    node.adds(3)
    node.add(next(iter(node.pods))[0], "b")
    assert count(node) == calls
    node.add()
    assert count(node) <= calls + 2


def large(world: World) -> Machine:
    """Return a node of a fabric of a usual size, on which a pod has lived."""
    node = world.machine()
    node.declare(NODE_FILE.replace("blockSize = 4", "blockSize = 16").replace("/26", "/20"))
    node.add()
    node.upkeep()
    return node


def test_the_whole_life_of_a_pod(world: World) -> None:
    node = large(world)
    calls = count(node)
    for _ in range(40):
        pod = node.add()
        node.upkeep()
        node.delete(pod)
        node.upkeep()
    assert count(node) - calls <= 40 * 2.2


def test_the_whole_life_of_a_pod_in_batches(world: World) -> None:
    node = large(world)
    calls = count(node)
    for _ in range(3):
        pods = node.adds(20)
        node.upkeep()
        for pod in pods:
            node.delete(pod)
        node.upkeep()
        world.wait(QUARANTINE + 1)
    assert count(node) - calls <= 3 * 20 * 0.3
