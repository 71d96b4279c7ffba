"""etcd is restored from a backup: what it has forgotten is nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from tests.etcd.unreliable import Fault
from tests.scenario.cluster.given import refused
from tests.scenario.cluster.world import AT, Machine, World


def lift(world: World) -> None:
    world.remove(AT.frozen)


def notice(node: Machine) -> None:
    """Let a node have something to tell, and meet what was restored."""
    node.delete(next(iter(node.pods.values())))
    node.upkeep()
    node.upkeep()


def test_a_restore_is_noticed_by_the_revision_and_freezes_claims(world: World) -> None:
    one, two, three = world.machine(), world.machine(), world.machine()
    one.adds(2)
    two.adds(2)
    backup = world.etcd.backup()
    pods = one.adds(6)
    one.upkeep()
    world.etcd.restore(backup)
    forgotten = one.blocks() - world.owners().keys()
    assert forgotten
    one.delete(pods[0])
    assert not one.upkeep()
    assert world.document("frozen")
    assert world.owners().keys() >= one.blocks()
    before = world.owners()
    for node in (two, three):
        error = refused(partial(node.adds, 9))
        assert "no block is claimed since" in error.msg
    assert world.owners() == before
    assert world.document("answers/").keys() == {one.name, two.name, three.name}
    assert one.upkeep()
    assert world.mirror() == {pod.slot: pod.container for pod in one.pods.values()} | {
        slot: container
        for slot, container in world.mirror().items()
        if slot // 4 * 4 in two.blocks()
    }
    lift(world)
    three.adds(5)
    two.adds(5)


def test_who_was_only_told_to_freeze_puts_back_too(world: World) -> None:
    one, two = world.machine(), world.machine()
    one.adds(2)
    backup = world.etcd.backup()
    two.adds(6)
    world.freeze()
    world.etcd.restore(backup)
    world.freeze()
    refused(lambda: one.adds(9))
    refused(lambda: two.adds(9))
    assert world.owners().keys() >= one.blocks() | two.blocks()
    assert world.document("answers/").keys() == {one.name, two.name}


def test_a_node_gives_back_again_what_it_had_returned(world: World) -> None:
    one, two = world.machine(), world.machine()
    for pod in one.adds(8):
        one.delete(pod)
    one.upkeep()
    backup = world.etcd.backup()
    world.wait(1000)
    one.upkeep()
    world.fill(two)
    before = world.owners()
    world.etcd.restore(backup)
    world.freeze()
    notice(two)
    assert world.document("answers/")[two.name]["conflicts"]
    assert two.blocks("lost")
    one.add()
    one.upkeep()
    notice(two)  # asks again
    assert world.document("answers/")[two.name]["conflicts"] == []
    assert world.owners() == before
    world.audit()
    lift(world)
    one.adds(2)
    two.reboot()
    two.adds(3)


def test_a_reboot_in_the_meantime_takes_nothing_that_was_returned(world: World) -> None:
    one, two = world.machine(), world.machine()
    for pod in one.adds(8):
        one.delete(pod)
    one.upkeep()
    backup = world.etcd.backup()
    world.wait(1000)
    one.upkeep()
    world.fill(two)
    world.etcd.restore(backup)
    world.freeze()
    notice(two)
    for _ in range(200):
        world.freeze()  # the revision grows beyond what the first node has seen
    one.reboot()
    refused(one.add)
    world.audit()
    notice(two)
    two_lost = two.blocks("lost", "owned", "retired")
    lift(world)
    one.adds(2)
    assert not one.blocks() & two_lost
    world.audit()


def test_a_retired_block_is_put_back_too(world: World) -> None:
    one, two = world.machine(), world.machine()
    two.add()
    backup = world.etcd.backup()
    one.adds(8)
    one.upkeep()
    one.lose_journal()
    one.add()
    retired = one.blocks("retired")
    assert retired
    world.etcd.restore(backup)
    world.freeze()
    refused(lambda: one.adds(9))
    assert retired <= world.owners().keys()
    assert one.blocks("retired") == retired
    refused(lambda: two.adds(9))
    lift(world)
    two.adds(9)
    assert not two.blocks() & retired


def test_what_the_mirror_has_of_a_retired_block_stays(world: World) -> None:
    one = world.machine()
    pods = one.adds(8)
    one.upkeep()
    one.lose_journal()
    one.add()
    one.upkeep()
    backup = world.etcd.backup()
    one.adds(3)
    world.etcd.restore(backup)
    world.freeze()
    refused(lambda: one.adds(9))
    one.upkeep()
    assert {pod.slot for pod in pods} <= world.mirror().keys()


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("kill", [True, False])
def test_putting_back_is_begun_again_whatever_call_was_the_last(
    new_world: Callable[[], World], fault: Fault, *, kill: bool
) -> None:
    interrupted = True
    at = 0
    while interrupted:
        world = new_world()
        one, two = world.machine(), world.machine()
        two.adds(2)
        backup = world.etcd.backup()
        one.adds(7)
        one.add(ip="10.60.0.5")
        one.upkeep()
        world.etcd.restore(backup)
        pod = next(iter(one.pods.values()))
        interrupted = _interrupted(one, at, fault, kill=kill)
        one.delete(pod)
        one.upkeep()
        one.line.late()
        one.upkeep()
        assert world.document("frozen")
        assert world.owners().keys() >= one.blocks()
        refused(partial(two.adds, 9))
        lift(world)
        two.adds(9)
        refused(partial(two.add, ip="10.60.0.5"))
        world.audit()
        at += 1
    assert at > 5


def _interrupted(node: Machine, at: int, fault: Fault, *, kill: bool) -> bool:
    def deal() -> None:
        refused(lambda: node.adds(9))

    if kill:
        return node.killed(at, fault, deal)
    calls = len(node.line.calls)
    node.line.script = [None] * at + [fault]
    deal()
    node.line.script = []
    return len(node.line.calls) - calls > at


def test_an_address_claimed_by_itself_is_claimed_again(world: World) -> None:
    one, two = world.machine(), world.machine()
    two.add()
    backup = world.etcd.backup()
    one.add(ip="10.60.0.5")
    world.etcd.restore(backup)
    world.freeze()
    refused(lambda: one.adds(9))
    refused(lambda: two.adds(9))
    assert set(world.static()) == {5}
    lift(world)
    refused(lambda: two.add(ip="10.60.0.5"))


def test_an_address_that_was_released_is_released_again(world: World) -> None:
    one, two = world.machine(), world.machine()
    pod = one.add(ip="10.60.0.5")
    two.add()
    backup = world.etcd.backup()
    one.delete(pod)
    one.upkeep()
    two.add(ip="10.60.0.5")
    world.etcd.restore(backup)
    world.freeze()
    refused(lambda: two.adds(9))
    assert world.document("answers/")[two.name]["conflicts"]
    refused(lambda: one.adds(9))
    notice(two)
    assert world.document("answers/")[two.name]["conflicts"] == []
    assert world.static()[5]["node"] == two.name


def test_a_restored_record_of_an_earlier_boot_proves_nothing(world: World) -> None:
    one, two = world.machine(), world.machine()
    one.add()
    two.add()
    backup = world.etcd.backup()
    one.reboot()
    one.add(name="rank-0", sticky="pod")
    world.etcd.restore(backup)
    world.freeze()
    refused(lambda: one.adds(9))
    refused(lambda: two.adds(9))
    lift(world)
    refused(lambda: two.add(name="rank-0", sticky="pod"))


def test_upkeep_ends_while_a_conflict_stays(world: World) -> None:
    one, two = world.machine(), world.machine()
    for pod in one.adds(8):
        one.delete(pod)
    one.upkeep()
    backup = world.etcd.backup()
    world.wait(1000)
    one.upkeep()
    world.fill(two)
    world.etcd.restore(backup)
    world.freeze()
    two.delete(next(iter(two.pods.values())))
    assert not two.upkeep()
    assert world.document("answers/")[two.name]["conflicts"]
