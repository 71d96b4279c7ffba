"""Blocks come to a node and leave it again, and no late request gives one to two."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from cni.protocol.errors import Code
from ipam.etcd.interface import Delete, Txn
from tests.etcd.unreliable import Call, Fault
from tests.scenario.cluster.given import BLOCKS, refused
from tests.scenario.cluster.world import Machine, World


def returns(call: Call) -> bool:
    """Tell whether a call deletes a block."""

    def walk(txn: Txn) -> bool:
        return any(
            (isinstance(one, Delete) and "/blocks/" in one.keys.first)
            or (isinstance(one, Txn) and walk(one))
            for one in txn.then
        )

    return isinstance(call.asked, Txn) and walk(call.asked)


def claims(call: Call) -> bool:
    """Tell whether a call claims a block."""
    return isinstance(call.asked, Txn) and "/resting/" in str(call.asked)


def empty(node: Machine, pods: int) -> None:
    """Have pods for a while."""
    for pod in node.adds(pods):
        node.delete(pod)
    assert node.upkeep()


def test_two_nodes_have_blocks_of_their_own(world: World) -> None:
    one, two = world.machine(), world.machine()
    one.adds(6)
    two.adds(6)
    assert len(world.owners()) == 4
    assert one.blocks() | two.blocks() == world.owners().keys()


def test_the_mirror_says_what_is_held(world: World) -> None:
    node = world.machine()
    pods = node.adds(6)
    assert node.upkeep()
    assert world.mirror() == {pod.slot: pod.container for pod in pods}
    node.delete(pods[0])
    assert node.upkeep()
    assert world.mirror() == {pod.slot: pod.container for pod in pods[1:]}


@pytest.mark.parametrize("fault", Fault)
def test_a_claim_without_answer_is_settled_by_the_next(world: World, fault: Fault) -> None:
    one, two = world.machine(), world.machine()
    one.adds(4)
    one.line.decide = lambda call: fault if claims(call) else None
    refused(one.add)
    assert one.rows("SELECT count(*) FROM intents") == [(1,)]
    two.adds(4)
    one.line.decide = lambda _: None
    one.adds(4)
    assert one.rows("SELECT count(*) FROM intents") == [(0,)]
    one.line.late()
    two.adds(8)
    assert one.blocks() | two.blocks() == world.owners().keys()
    assert len(one.blocks()) == 2


def test_a_late_claim_after_a_give_up_is_found_again(world: World) -> None:
    one = world.machine()
    one.adds(4)
    one.line.decide = lambda call: Fault.LATER if claims(call) else None
    refused(one.add)
    one.line.decide = lambda _: None
    one.line.late()  # before anything is asked anew
    assert len(world.owners()) == 2
    one.add()
    assert one.blocks() == world.owners().keys()


def test_a_late_return_leaves_a_block_that_is_in_use_again(world: World) -> None:
    one, two = world.machine(), world.machine()
    empty(one, 9)
    world.wait(100)
    one.line.decide = lambda call: Fault.LATER if returns(call) else None
    assert not one.upkeep()
    [returning, *_] = one.blocks("returning")
    one.line.decide = lambda _: None
    assert one.upkeep()
    assert returning not in world.owners()
    world.fill(two)
    before = world.owners()
    one.line.late()
    assert world.owners() == before


def test_a_late_note_of_the_mirror_leaves_another_owners_claims(world: World) -> None:
    one, two = world.machine(), world.machine()
    pods = one.adds(8)
    one.upkeep()
    one.line.script = [Fault.LATER]
    one.delete(pods[7])
    assert not one.upkeep()
    assert one.upkeep()
    for pod in pods:
        one.delete(pod)
    assert one.upkeep()
    world.wait(100)
    assert one.upkeep()
    world.fill(two)
    assert two.upkeep()
    before = world.mirror()
    one.line.late()
    assert world.mirror() == before


def test_a_block_goes_back_only_when_it_is_empty_rested_and_told(world: World) -> None:
    node = world.machine()
    pods = node.adds(8)
    assert node.upkeep()
    owned = node.blocks()
    for pod in pods[1:]:
        node.delete(pod)
    assert node.upkeep()
    assert node.blocks() == owned  # what was freed has not rested
    world.wait(100)
    node.delete(pods[0])
    node.line.down = True
    assert not node.upkeep()
    assert world.owners().keys() >= owned  # the mirror has not been told
    node.line.down = False
    world.wait(100)
    assert node.upkeep()
    assert len(world.owners()) == 1


def test_a_block_of_which_the_mirror_has_claims_stays(world: World) -> None:
    node = world.machine()
    pods = node.adds(12)
    assert node.upkeep()
    owned = node.blocks()
    for pod in pods:
        node.delete(pod)
    with closing(sqlite3.connect(node.paths.journal)) as journal, journal:
        journal.execute("DELETE FROM outbox")  # the mirror will never hear of it
    world.wait(100)
    node.upkeep()
    assert owned <= world.owners().keys()
    world.audit()


def test_two_nodes_race_for_the_last_block(world: World) -> None:
    one, two, three = world.machine(), world.machine(), world.machine()
    world.fill(one, leave=1)
    two.adds(4)
    error = refused(three.add)
    assert error.code == Code.TRY_AGAIN
    assert "every block of fabric backend is taken" in error.msg
    assert len(world.owners()) == BLOCKS


def test_others_are_faster_between_the_look_and_the_claim(world: World) -> None:
    one, two = world.machine(), world.machine()
    world.fill(one, leave=2)

    def overtaken(call: Call) -> None:
        if claims(call):
            one.line.decide = lambda _: None
            two.adds(4)

    one.line.decide = overtaken
    one.adds(4)
    assert len(world.owners()) == BLOCKS
    assert len(two.blocks()) == 1


def test_in_a_full_fabric_quarantine_is_broken_before_a_pod_is_refused(world: World) -> None:
    node = world.machine()
    world.fill(node)
    pod = next(iter(node.pods.values()))
    assert refused(node.add).code == Code.TRY_AGAIN
    node.delete(pod)
    assert node.add().slot == pod.slot
    assert refused(node.add).code == Code.TRY_AGAIN


def test_a_spare_in_which_pods_live_is_no_fresh_one(world: World) -> None:
    node = world.machine()
    node.adds(5)
    node.upkeep()
    for block in node.blocks("owned", "spare"):
        world.remove(f"/railcni/blocks/backend/{block:010}")  # a person has made a mistake
    for pod in node.adds(2):
        node.delete(pod)
    for _ in range(20):
        node.upkeep()
        node.adds(2)
    world.audit()


def test_processes_of_one_node_at_once(world: World) -> None:
    one, two = world.machine(), world.machine()
    with ThreadPoolExecutor(6) as threads:
        adds = [threads.submit(node.adds, 4) for node in (one, two) for _ in range(3)]
        tending = [threads.submit(node.upkeep) for node in (one, two)]
    assert all(len(work.result()) == 4 for work in adds)
    assert all(work.result() for work in tending)
    assert len(one.pods) == len(two.pods) == 12
    assert one.blocks("owned", "spare") | two.blocks("owned", "spare") == world.owners().keys()
