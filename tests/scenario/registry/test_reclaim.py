"""`railctl ipam reclaim`: what a lost node had goes back, with proof only."""

from __future__ import annotations

import pytest

from ipam.etcd.interface import Get, Keys
from ipam.registry.lost import UnprovenError, proven, remains
from ipam.registry.operator import Operator
from ipam.registry.overview import Overview, Pace
from ipam.registry.records import BlockRecord
from tests.scenario.registry.worlds import WITHIN, Node, World

Pair = tuple[Node, Node]
LOST = ("ipam", "reclaim", "--node", "gpu-2")


def owners(world: World) -> set[str]:
    found = world.etcd.get(Get(Keys.below("/railcni/blocks/")), WITHIN).found
    return {BlockRecord.decode(one.key, one.value).node for one in found.entries}


def test_nothing_without_proof(world: World, pair: Pair) -> None:
    before = world.keys()
    result = world.railctl(pair[0], *LOST)
    assert result.exit_code == 1
    assert "nothing proves that node gpu-2 is off" in result.stderr
    assert world.keys() == before


def test_nothing_while_it_has_a_heartbeat(world: World, pair: Pair) -> None:
    one, two = pair
    world.beat(two)
    before = world.keys()
    for proof in ([], ["--fenced", "--yes"]):
        result = world.railctl(one, *LOST, *proof)
        assert (result.exit_code, "is alive" in result.stderr) == (1, True)
    assert world.keys() == before


def test_nothing_while_its_name_is_not_typed(world: World, pair: Pair) -> None:
    before = world.keys()
    result = world.railctl(pair[0], *LOST, "--fenced", typed="yes\n")
    assert (result.exit_code, "nothing was changed" in result.stderr) == (1, True)
    assert world.keys() == before


def test_what_is_powered_off_gives_everything_back(world: World, pair: Pair) -> None:
    one, two = pair
    two.add("c7", ip="10.60.1.7")
    two.tell()
    result = world.railctl(one, *LOST, "--fenced", typed="gpu-2\n")
    assert result.exit_code == 0, result.output
    assert owners(world) == {"gpu-1"}
    assert world.keys("nodes/") == ["gpu-1"]
    assert len(world.keys("writers/")) == len(world.keys("claims/")) == 1
    assert world.keys("static/") == []
    assert len(world.keys("resting/")) == 2
    again = world.document(one, *LOST, "--fenced", "--yes")
    assert again == []


def test_its_blocks_are_claimed_by_nobody_while_they_rest(world: World, pair: Pair) -> None:
    one, _ = pair
    blocks = world.keys("blocks/backend/")
    world.railctl(one, *LOST, "--fenced", "--yes", "--quarantine", "600")
    free = set(blocks) - set(world.keys("blocks/backend/"))
    newcomer = world.node("gpu-3")
    # All that is left to claim rests: its proposals hit nothing else.
    for at in range(40):
        newcomer.add(f"n{at}")
    newcomer.tell()
    assert not free & set(world.keys("blocks/backend/"))
    assert set(world.keys("resting/backend/")) == free


def test_without_quarantine_nothing_rests(world: World, pair: Pair) -> None:
    world.railctl(pair[0], *LOST, "--fenced", "--yes", "--quarantine", "0")
    assert world.keys("resting/") == []


def test_a_sticky_address_is_kept_for_its_pod(world: World, pair: Pair) -> None:
    one, two = pair
    address = two.add("c8", sticky="pod")
    world.railctl(one, *LOST, "--fenced", "--yes")
    assert one.add("c8", sticky="pod") == address


def test_a_later_boot_proves_what_an_earlier_one_took(world: World, pair: Pair) -> None:
    one, two = pair
    blocks = world.keys("blocks/")
    two.reboot()
    later = two.session
    world.put(world.layout.node("gpu-2"), later.encode())
    result = world.railctl(one, *LOST)
    assert result.exit_code == 0, result.output
    assert (owners(world), len(world.keys("blocks/"))) == ({"gpu-1"}, len(blocks) - 2)
    assert world.keys("nodes/") == ["gpu-1", "gpu-2"]
    assert len(world.keys("writers/")) == 2


def test_another_name_with_the_same_hardware_proves_nothing(world: World, pair: Pair) -> None:
    one, two = pair
    clone = two.session.model_copy(update={"node": "gpu-9", "boot": "another"})
    world.put(world.layout.node("gpu-9"), clone.encode())
    result = world.railctl(one, *LOST)
    assert result.exit_code == 1
    assert "gpu-9 has the same hardware identity" in result.stderr


def test_of_two_machines_with_one_name_the_dead_one_is_said(world: World, pair: Pair) -> None:
    one, two = pair
    replaced = two.session.model_copy(update={"hardware": "dmi:new", "boot": "b", "journal": "j"})
    world.put(world.layout.node("gpu-2"), replaced.encode())
    result = world.railctl(one, *LOST, "--fenced", "--yes")
    assert (result.exit_code, "--hardware" in result.stderr) == (1, True)
    hardware = two.record_value("hardware")
    result = world.railctl(one, *LOST, "--fenced", "--yes", "--hardware", hardware)
    assert result.exit_code == 0, result.output
    assert owners(world) == {"gpu-1"}
    assert world.keys("nodes/") == ["gpu-1", "gpu-2"]


def test_this_very_machine_is_not_powered_off(world: World, pair: Pair) -> None:
    result = world.railctl(pair[0], "ipam", "reclaim", "--node", "gpu-1", "--fenced", "--yes")
    assert (result.exit_code, "it runs" in result.stderr) == (1, True)


@pytest.mark.parametrize("comes_back", ["heartbeat", "join"])
def test_what_comes_to_life_meanwhile_keeps_the_rest(
    world: World, pair: Pair, comes_back: str
) -> None:
    _, two = pair
    pace = Pace(WITHIN, WITHIN)
    left = remains(Overview(world.etcd, world.layout, pace), "gpu-2")
    steps = Operator(world.etcd, world.layout, pace).reclaim(
        proven(left, world.layout, fenced=True), 60
    )
    assert next(steps).done
    if comes_back == "heartbeat":
        world.beat(two)
    else:
        world.put(world.layout.node("gpu-2"), two.session.encode())
    with pytest.raises(Exception, match="come to life"):
        list(steps)
    assert owners(world) == {"gpu-1", "gpu-2"}


def test_an_interruption_is_finished_by_doing_it_again(world: World, pair: Pair) -> None:
    pace = Pace(WITHIN, WITHIN)
    left = remains(Overview(world.etcd, world.layout, pace), "gpu-2")
    steps = Operator(world.etcd, world.layout, pace).reclaim(
        proven(left, world.layout, fenced=True), 60
    )
    assert next(steps).done
    del steps
    assert owners(world) == {"gpu-1", "gpu-2"}
    assert world.railctl(pair[0], *LOST, "--fenced", "--yes").exit_code == 0
    assert owners(world) == {"gpu-1"}
    assert len(world.keys("resting/")) == 2


@pytest.mark.usefixtures("pair")
def test_a_block_that_has_changed_hands_stays(world: World) -> None:
    pace = Pace(WITHIN, WITHIN)
    left = remains(Overview(world.etcd, world.layout, pace), "gpu-2")
    lost = proven(left, world.layout, fenced=True)
    record = lost.blocks[0].record.model_copy(update={"node": "gpu-1"})
    world.put(lost.blocks[0].key, record.encode())
    outcome = [step.done for step in Operator(world.etcd, world.layout, pace).reclaim(lost, 60)]
    assert outcome[:2] == [False, True]
    assert lost.blocks[0].key.removeprefix("/railcni/blocks/") in world.keys("blocks/")
    assert len(world.keys("resting/")) == 1


def test_the_returned_node_learns_that_its_blocks_are_lost(world: World, pair: Pair) -> None:
    one, two = pair
    world.railctl(one, *LOST, "--fenced", "--yes")
    two.add("container-3")
    two.tell()
    with two.wiring.journal() as journal, journal.rehearsal() as tx:
        states = {tenure.state.value for tenure in tx.blocks.of("backend")}
    assert "lost" in states
    assert "owned" not in states


def test_one_fabric_alone_leaves_the_node(world: World, pair: Pair) -> None:
    world.railctl(pair[0], *LOST, "--fenced", "--yes", "--fabric", "backend")
    assert owners(world) == {"gpu-1"}
    assert world.keys("nodes/") == ["gpu-1", "gpu-2"]


def test_a_boot_that_lives_under_another_name_is_not_dead(world: World, pair: Pair) -> None:
    _, two = pair
    world.put(world.layout.heartbeat("gpu-9"), two.session.encode())
    left = remains(Overview(world.etcd, world.layout, Pace(WITHIN, WITHIN)), "gpu-2")
    with pytest.raises(UnprovenError, match="alive as node gpu-9"):
        proven(left, world.layout, fenced=True)
