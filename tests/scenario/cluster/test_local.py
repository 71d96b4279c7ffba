"""A node that was alone joins a cluster; it does not leave it again."""

from __future__ import annotations

from cni.protocol.errors import Code
from tests.scenario.cluster.given import LOCAL, NODE_FILE, refused
from tests.scenario.cluster.world import World


def test_blocks_under_live_claims_are_claimed_first(world: World) -> None:
    one, two = world.machine(), world.machine()
    one.declare(LOCAL)
    pods = one.adds(20)
    one.declare(NODE_FILE)
    one.add()
    assert {pod.slot // 4 * 4 for pod in pods if pod.slot >= 8} <= one.blocks()
    world.fill(two)
    world.audit()
    assert one.upkeep()
    assert {pod.slot for pod in one.pods.values() if pod.slot >= 8} <= world.mirror().keys()


def test_a_refused_block_is_used_no_further(world: World) -> None:
    one, two = world.machine(), world.machine()
    two.adds(1)
    [taken] = two.blocks()
    one.declare(LOCAL)
    while not any(taken <= pod.slot < taken + 4 for pod in one.pods.values()):
        one.add()
    two.pods.clear()  # both had the address when they met: no rule prevents that
    one.declare(NODE_FILE)
    one.add()
    assert taken in one.blocks("lost")
    assert not one.free() & two.free()
    one.pods.clear()


def test_a_shared_fabric_does_not_become_local(world: World) -> None:
    node = world.machine()
    node.delete(node.add())
    node.declare(LOCAL)
    error = refused(node.add)
    assert error.code == Code.INVALID_CONFIG
    assert "is shared by the cluster" in error.msg


def test_what_the_mirror_is_to_be_told_waits_for_a_node_file(world: World) -> None:
    node = world.machine()
    pods = node.adds(2)
    assert node.upkeep()
    node.declare(LOCAL)
    node.delete(pods[0])
    assert node.upkeep()
    node.declare(NODE_FILE)
    assert node.upkeep()
    assert world.mirror().keys() == {pods[1].slot}
