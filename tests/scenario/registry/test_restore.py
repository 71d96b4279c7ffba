"""`railctl ipam accept-restore`: a restored etcd is used again when all nodes have answered."""

from __future__ import annotations

import pytest

from cni.protocol.errors import CniError
from ipam.etcd.memory import MemoryEtcd
from ipam.holding import upkeep
from ipam.registry.operator import Operator
from ipam.registry.overview import Overview, Pace
from tests.scenario.registry.worlds import WITHIN, Node, World

Pair = tuple[Node, Node]


@pytest.fixture
def restored(world: World, pair: Pair) -> Pair:
    """Two nodes, and an etcd that has forgotten what they did last; the first has answered."""
    assert isinstance(world.etcd, MemoryEtcd)
    backup = world.etcd.backup()
    for node in pair:
        node.add(f"later-{node.name}")
        node.tell()
    world.etcd.restore(backup)
    notice(pair[0])
    return pair


def notice(node: Node) -> None:
    """Let a node deal with the registry, and put its blocks back when it is refused."""
    node.add(f"notices-{node.name}")
    upkeep.run(node.wiring.shared_desk, 10**9)


def fill(node: Node) -> None:
    """Let a node need more blocks."""
    for number in range(40):
        node.add(f"new-{number}")


def test_nothing_to_accept(world: World, pair: Pair) -> None:
    found = world.document(pair[0], "ipam", "accept-restore")
    assert found == {"frozen": None, "nodes": [], "outcome": "nothing forbids claims"}


def test_who_has_not_answered_is_named(world: World, restored: Pair) -> None:
    found = world.document(restored[0], "ipam", "accept-restore", code=1)
    assert found["frozen"]["node"] == "gpu-1"
    assert "restored from a backup" in found["frozen"]["reason"]
    answered = {row["node"]: row["answered"] != "no" for row in found["nodes"]}
    assert answered == {"gpu-1": True, "gpu-2": False}
    assert "gpu-2 has not answered" in found["outcome"]
    assert world.keys("frozen") == [""]


def test_it_is_lifted_when_all_have(world: World, restored: Pair) -> None:
    one, two = restored
    notice(two)
    result = world.railctl(one, "ipam", "accept-restore")
    assert (result.exit_code, "claims are allowed again" in result.stdout) == (0, True)
    assert world.keys("frozen") == world.keys("answers/") == []
    for node in restored:
        node.tell()
    fill(one)


def test_until_then_no_block_is_claimed(world: World, restored: Pair) -> None:
    one, _ = restored
    blocks = world.keys("blocks/")
    with pytest.raises(CniError, match="no block is claimed since"):
        fill(one)
    assert world.keys("blocks/") == blocks


def test_by_force_and_with_a_word(world: World, restored: Pair) -> None:
    one, _ = restored
    result = world.railctl(one, "ipam", "accept-restore", "--force", typed="no\n")
    assert (result.exit_code, world.keys("frozen")) == (1, [""])
    result = world.railctl(one, "ipam", "accept-restore", "--force", typed="accept\n")
    assert (result.exit_code, world.keys("frozen")) == (0, [])


def test_a_conflict_keeps_it(world: World, restored: Pair) -> None:
    one, two = restored
    notice(two)
    overview = Overview(world.etcd, world.layout, Pace(WITHIN, WITHIN))
    answers = overview.answers()
    assert answers
    answer = answers.given["gpu-2"].record.model_copy(update={"conflicts": ("block 16-31",)})
    world.put(world.layout.answer("gpu-2"), answer.encode())
    result = world.railctl(one, "ipam", "accept-restore")
    assert (result.exit_code, "gpu-2 could not have back: block 16-31" in result.stdout) == (
        1,
        True,
    )


def test_what_changes_meanwhile_is_not_overrun(world: World, restored: Pair) -> None:
    pace = Pace(WITHIN, WITHIN)
    notice(restored[1])
    answers = Overview(world.etcd, world.layout, pace).answers()
    assert answers
    assert not answers.missing
    world.put(world.layout.node("gpu-3"), restored[0].session.encode())
    assert not Operator(world.etcd, world.layout, pace).lift(answers)
    assert world.keys("frozen") == [""]


def test_an_answer_to_an_earlier_restore_counts_for_nothing(world: World, restored: Pair) -> None:
    notice(restored[1])
    key = world.layout.frozen
    assert world.document(restored[0], "ipam", "accept-restore") is not None
    world.put(key, b'{"node":"gpu-1","reason":"again","since":"now"}')
    answers = Overview(world.etcd, world.layout, Pace(WITHIN, WITHIN)).answers()
    assert answers
    assert answers.missing == ["gpu-1", "gpu-2"]
