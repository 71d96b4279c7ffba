"""`railctl ipam release`: a leaked claim is taken back, a live one is not."""

from __future__ import annotations

from ipam.journal.transaction import Held
from tests.scenario.registry.worlds import Node, World

Pair = tuple[Node, Node]


def held(node: Node) -> list[Held]:
    with node.wiring.journal() as journal, journal.rehearsal() as tx:
        return tx.all_held()


def test_what_no_namespace_has_goes_back_and_the_mirror_knows(world: World, pair: Pair) -> None:
    one, _ = pair
    address = one.add("leaked")
    one.add("leaked", rail="roce-b")
    one.tell()
    found = world.document(one, "ipam", "release", address)
    assert {row["interface"] for row in found["released"]} == {"net1", "net2"}
    assert found["told"] == "the registry is told"
    assert {each.attachment.container_id for each in held(one)} == {"container-1"}
    assert len(world.keys("claims/")) == 2


def test_by_its_container(world: World, pair: Pair) -> None:
    one, _ = pair
    result = world.railctl(one, "ipam", "release", "container-1")
    assert result.exit_code == 0, result.output
    assert "of container container-1 is free" in result.stdout
    assert held(one) == []


def test_what_a_namespace_has_is_named_and_stays(world: World, pair: Pair) -> None:
    one, _ = pair
    address = one.add("alive")
    path = one.show_address(address)
    result = world.railctl(one, "ipam", "release", address)
    assert result.exit_code == 1
    assert f"{address} is on net1 in {path}" in result.stderr
    assert len(held(one)) == 2
    assert world.railctl(one, "ipam", "release", address, "--force").exit_code == 0
    assert len(held(one)) == 1


def test_without_etcd_it_is_told_later(world: World, pair: Pair) -> None:
    one, _ = pair
    world.reachable = False
    found = world.document(one, "ipam", "release", "container-1")
    assert found["told"] == "the registry is told as soon as it answers"
    assert held(one) == []
    world.reachable = True
    one.tell()
    assert len(world.keys("claims/")) == 1


def test_what_another_node_owns_is_refused_with_its_name(world: World, pair: Pair) -> None:
    one, two = pair
    address = two.add("elsewhere")
    result = world.railctl(one, "ipam", "release", address)
    assert result.exit_code == 1
    assert "what node gpu-2 owns: release it there" in result.stderr
    assert len(held(two)) == 2


def test_what_nobody_has(world: World, pair: Pair) -> None:
    result = world.railctl(pair[0], "ipam", "release", "10.60.0.9")
    assert (result.exit_code, "lies in no node's block" in result.stderr) == (1, True)
    result = world.railctl(pair[0], "ipam", "release", "nobody")
    assert (result.exit_code, "no container nobody" in result.stderr) == (1, True)


def test_a_beginning_that_several_have(world: World, pair: Pair) -> None:
    one, _ = pair
    one.add("container-11")
    result = world.railctl(one, "ipam", "release", "container")
    assert result.exit_code == 1
    assert "the beginning of several" in result.stderr
    assert world.railctl(one, "ipam", "release", "container-1").exit_code == 0
    assert [each.attachment.container_id for each in held(one)] == ["container-11"]
