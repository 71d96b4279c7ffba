"""Addresses that are claimed one by one: requested, and sticky."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from cni.protocol.errors import Code
from tests.etcd.unreliable import Fault
from tests.scenario.cluster.given import LOCAL, NODE_FILE, refused
from tests.scenario.cluster.world import World

WISH = "10.60.0.5"


def test_a_requested_address_has_one_holder_in_the_cluster(world: World) -> None:
    one, two = world.machine(), world.machine()
    pod = one.add(ip=WISH)
    error = refused(lambda: two.add(ip=WISH))
    assert error.code == Code.TRY_AGAIN
    assert pod.container in error.msg
    assert one.name in error.msg
    one.delete(pod)
    refused(lambda: two.add(ip=WISH))  # the release has not reached etcd
    assert one.upkeep()
    assert two.add(ip=WISH).address == WISH


def test_only_static_ranges_give_requested_addresses(world: World) -> None:
    error = refused(lambda: world.machine().add(ip="10.60.0.20"))
    assert error.code == Code.INVALID_CONFIG
    assert "10.60.0.1-10.60.0.7" in error.msg


def test_a_late_hold_after_its_refusal_leaks_nothing(world: World) -> None:
    one, two = world.machine(), world.machine()
    one.add()
    for at in range(2, 5):
        one.line.script = [None] * (at - 1) + [Fault.LATER]
        try:
            one.delete(one.add(ip=WISH))
        except Exception as error:  # noqa: BLE001 - any refusal
            assert "no endpoint" in str(error)  # noqa: PT017
        one.line.script = []
        one.upkeep()
        one.line.late()
        one.upkeep()
        assert not world.static()
    two.add(ip=WISH)


def test_a_late_release_leaves_what_is_held_again(world: World) -> None:
    one, two = world.machine(), world.machine()
    pod = one.add(ip=WISH)
    one.upkeep()
    one.delete(pod)
    one.line.script = [None, Fault.LATER]
    assert not one.upkeep()
    one.add(pod.container, ip=WISH)  # the runtime tries the same sandbox again
    one.line.late()
    refused(lambda: two.add(ip=WISH))


@pytest.mark.parametrize("fault", Fault)
def test_killed_before_it_was_held_is_not_held(world: World, fault: Fault) -> None:
    one, two = world.machine(), world.machine()
    one.add()
    for at in range(6):
        container = world.new_container()
        if not one.killed(at, fault, partial(one.add, container, ip=WISH)):
            break
        taken = not world.static()
        if taken:
            two.add(ip=WISH)
            error = refused(partial(one.add, container, ip=WISH))
            assert two.name in error.msg
            two.delete(next(iter(two.pods.values())))
        one.delete(container)
        one.upkeep()
        two.upkeep()
        one.line.late()
        world.audit()
        assert not world.static()


def test_after_a_reboot_the_addresses_of_dead_pods_are_released(world: World) -> None:
    node = world.machine()
    node.add(ip=WISH)
    node.add(name="rank-0", sticky="pod", stickyTTL=100)
    node.upkeep()
    node.reboot()
    node.add()
    node.upkeep()
    assert [one["released"] for one in world.static().values()] == [True]
    world.wait(101)
    assert not world.static()


def sticky(name: str = "rank-0", **more: Any) -> dict[str, Any]:
    return {"name": name, "sticky": "pod", **more}


def test_a_sticky_address_follows_its_pod_when_its_del_has_reached_etcd(world: World) -> None:
    one, two = world.machine(), world.machine()
    pod = one.add(**sticky())
    assert pod.slot < 8 or pod.slot >= 60
    refused(lambda: two.add(**sticky()))
    one.delete(pod)
    refused(lambda: two.add(**sticky()))
    assert one.upkeep()
    assert two.add(**sticky()).address == pod.address


def test_a_reboot_of_the_holders_node_is_proof(world: World) -> None:
    one, two = world.machine(), world.machine()
    pod = one.add(**sticky())
    one.reboot()
    refused(lambda: two.add(**sticky()))  # nobody knows yet
    one.add()
    assert two.add(**sticky()).address == pod.address


def test_who_will_not_wait_for_a_lost_node_gets_a_fresh_one(world: World) -> None:
    one, two = world.machine(), world.machine()
    pod = one.add(**sticky())
    one.beat()
    refused(lambda: two.add(**sticky(stickyOnLostNode="fresh")))
    one.stop_beating()
    refused(lambda: two.add(**sticky()))
    other = two.add(**sticky(stickyOnLostNode="fresh"))
    assert other.address != pod.address
    one.delete(pod)
    one.upkeep()
    two.delete(other)
    two.upkeep()
    world.audit()


def test_a_sticky_address_is_kept_for_its_time(world: World) -> None:
    one, two = world.machine(), world.machine()
    pod = one.add(**sticky(stickyTTL=100))
    one.delete(pod)
    one.upkeep()
    world.wait(99)
    others = [two.add(**sticky(f"other-{n}")) for n in range(9)]
    assert pod.address not in {other.address for other in others}
    assert "taken" in refused(lambda: two.add(**sticky("one-more"))).msg
    refused(lambda: two.add(ip=pod.address))
    world.wait(2)
    assert two.add(**sticky("one-more")).address == pod.address


def test_a_second_rail_joins_and_asks_nobody(world: World) -> None:
    node = world.machine()
    wished, pooled = node.add(ip=WISH), node.add()
    kept = node.add(**sticky())
    node.line.down = True
    for pod in (wished, pooled):
        assert node.add(pod.container, "b").slot == pod.slot
    assert node.add(kept.container, "b", **sticky()).slot == kept.slot


def test_local_claims_in_a_static_range_are_held_when_a_node_joins(world: World) -> None:
    one, two = world.machine(), world.machine()
    one.declare(LOCAL)
    pods = one.adds(7)
    assert WISH in {pod.address for pod in pods}
    one.declare(NODE_FILE)
    one.add()
    refused(lambda: two.add(ip=WISH))
    two.adds(4)
    world.audit()
    for pod in pods:
        one.delete(pod)
    assert one.upkeep()
    two.add(ip=WISH)
