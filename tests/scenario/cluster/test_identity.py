"""Reboots, lost journals, clones and names: whose a block is."""

from __future__ import annotations

from cni.protocol.errors import Code
from tests.scenario.cluster.given import NODE_FILE, refused
from tests.scenario.cluster.world import World


def test_after_a_reboot_nothing_is_given_out_before_it_is_confirmed(world: World) -> None:
    node = world.machine()
    node.adds(3)
    node.reboot()
    node.line.down = True
    error = refused(node.add)
    assert error.code == Code.TRY_AGAIN
    assert "192.0.2.1" not in error.msg
    node.line.down = False
    node.add()
    assert len(world.owners()) == 1


def test_a_confirmed_node_goes_on_while_etcd_is_away(world: World) -> None:
    node = world.machine()
    node.adds(1)
    node.line.down = True
    world.wait(10**6)
    pods = node.adds(3)
    for pod in pods:
        node.delete(pod)
    node.adds(3)  # their quarantine is broken
    assert refused(node.add).code == Code.TRY_AGAIN


def test_del_asks_nobody(world: World) -> None:
    node = world.machine()
    pods = [*node.adds(4), node.add(ip="10.60.0.5"), node.add(name="rank-0", sticky="pod")]
    calls = len(node.line.calls)
    for pod in pods:
        node.delete(pod)
    assert len(node.line.calls) == calls


def test_blocks_come_back_after_a_reboot(world: World) -> None:
    node = world.machine()
    node.adds(3)
    owned = world.owners()
    node.reboot()
    node.add()
    assert world.owners() == owned
    assert node.upkeep()
    assert len(world.mirror()) == 1


def test_the_blocks_of_a_lost_journal_are_retired(world: World) -> None:
    node = world.machine()
    pods = node.adds(3)
    node.upkeep()
    [old] = {pod.slot // 4 * 4 for pod in pods}
    node.lose_journal()
    node.adds(3)
    assert node.blocks("retired") >= {old}
    assert old not in node.blocks()
    for pod in pods:
        node.delete(pod)
    assert node.upkeep()
    assert not {pod.slot for pod in pods} & world.mirror().keys()
    assert old in node.blocks("retired")  # there may be pods that the mirror never heard of
    world.wait(1000)
    node.adds(2)
    assert old not in node.blocks()


def test_they_come_back_with_a_reboot_and_rest_first(world: World) -> None:
    node = world.machine()
    node.adds(4)
    node.upkeep()
    node.lose_journal()
    node.adds(4)
    retired = node.blocks("retired")
    node.reboot()
    node.add()
    assert node.blocks() >= retired
    resting = {slot for (slot,) in node.rows("SELECT slot FROM freed")}
    assert all(set(range(first, first + 4)) <= resting for first in retired)
    node.upkeep()
    assert len(world.mirror()) == 1


def test_a_journal_that_is_lost_twice_in_a_boot(world: World) -> None:
    node = world.machine()
    for _ in range(3):
        node.adds(3)
        node.lose_journal()
        world.audit()
    node.adds(3)
    world.audit()


def test_a_clone_with_other_hardware_puts_the_journal_aside(world: World) -> None:
    one, clone = world.machine(), world.machine()
    one.adds(3)
    clone.take_state_of(one)
    error = refused(clone.add)
    assert "was begun on another machine" in error.msg
    clone.adds(3)
    assert not one.blocks() & clone.blocks()
    assert list(clone.paths.journal.parent.glob("*.aside-*"))


def test_a_clone_with_the_same_hardware_is_refused_while_the_original_lives(world: World) -> None:
    one = world.machine()
    one.adds(3)
    one.beat()
    clone = world.machine(uuid=one.uuid)
    clone.take_state_of(one)
    error = refused(clone.add)
    assert "another session of node n1 has a heartbeat" in error.msg
    one.adds(3)
    world.audit()
    namesake = world.machine(name=one.name, uuid=one.uuid)
    assert "another session of node n1 has a heartbeat" in refused(namesake.add).msg


def test_machines_with_one_hardware_identity_keep_apart(world: World) -> None:
    one = world.machine()
    one.adds(3)
    twin = world.machine(uuid=one.uuid)
    twin.adds(3)
    assert not one.blocks() & (twin.blocks("owned", "retired"))
    one.reboot()
    one.adds(2)
    twin.adds(3)


def test_the_original_stops_when_a_clone_has_taken_over(world: World) -> None:
    one = world.machine()
    one.adds(2)
    one.upkeep()
    clone = world.machine(uuid=one.uuid)
    clone.take_state_of(one)
    clone.upkeep()
    one.delete(next(iter(one.pods.values())))
    one.upkeep()
    assert one.blocks("lost")
    assert not one.free() & clone.free()
    one.pods.clear()  # without a heartbeat, no rule tells a clone from a machine with a new name


def test_two_machines_with_one_name_keep_apart(world: World) -> None:
    one = world.machine(name="same")
    one.adds(3)
    two = world.machine(name="same")
    two.adds(3)
    one.adds(3)
    one.reboot()
    one.adds(3)
    assert not one.blocks() & two.blocks()


def test_the_second_of_two_with_one_name_is_refused_while_the_first_lives(world: World) -> None:
    one = world.machine(name="same")
    one.add()
    one.beat()
    error = refused(world.machine(name="same").add)
    assert one.uuid in error.msg
    assert "give each its own name" in error.details


def test_a_renamed_node_keeps_its_blocks(world: World) -> None:
    node = world.machine()
    node.adds(3)
    before = node.blocks()
    node.declare(NODE_FILE, name="renamed")
    node.adds(2)
    assert before < node.blocks()
    assert set(world.owners().values()) == {"renamed"}
    assert not node.blocks("lost", "retired")


def test_hardware_that_changes_within_a_boot_is_the_same_machine(world: World) -> None:
    node = world.machine()
    node.adds(4)
    node.become("4c4c4544-0051-3510-8052-00000000ffff")  # an adapter has left
    node.adds(2)
    assert len(node.blocks()) == 2
    node.reboot()
    refused(node.add)
    node.adds(2)
    world.audit()


def test_definitions_that_disagree_are_refused_and_both_named(world: World) -> None:
    world.machine().add()
    two = world.machine()
    two.declare(NODE_FILE.replace("blockSize = 4", "blockSize = 8"))
    error = refused(two.add)
    assert "blockSize is 8 on this node and 4 in the registry" in error.msg


def test_a_node_whose_definition_has_changed_uses_no_block_under_it(world: World) -> None:
    one, two = world.machine(), world.machine()
    one.adds(2)
    for pod in two.adds(2):
        two.delete(pod)
    world.wait(1000)
    moved = NODE_FILE.replace("10.60.0.0/26", "10.60.0.64/26").replace("static", "# static")
    two.declare(moved.replace("10.61.0.0/26", "10.61.0.64/26"))
    error = refused(two.add)
    assert "on this node and" in error.msg
    two.declare(NODE_FILE)
    two.add()
