"""`railctl fabric change`: a fabric grows while pods use it, and loses only what nobody owns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cni.protocol.errors import CniError
from ipam.wiring import Wiring
from tests.scenario.registry.worlds import Node, World, node_file

Pair = tuple[Node, Node]


def next_file(world: World, text: str) -> str:
    file = world.folder / "next.toml"
    file.write_text(text)
    return str(file)


def fill(node: Node) -> None:
    """Let a node need more blocks."""
    for number in range(40):
        node.add(f"more-{number}")


def base(world: World, prefix: int = 16) -> str:
    return node_file("gpu-1", world.endpoints, prefix)


def give(node: Node, text: str) -> None:
    """Give a node its next file."""
    node.write(text.replace("gpu-1", node.name))
    former = node.wiring
    node.wiring = Wiring(former.paths, former.boot_id, former.clock, former.sys, former.connect)


def test_a_wider_fabric_while_pods_use_it(world: World, pair: Pair) -> None:
    one, two = pair
    wider = base(world, 15)
    result = world.railctl(one, "fabric", "change", next_file(world, wider), typed="change\n")
    assert result.exit_code == 0, result.output
    assert "backend.rails.roce-a: 10.60.0.0/16 → 10.60.0.0/15" in result.stdout
    assert "Now give every node this file" in result.stdout
    give(one, wider)
    before = one.add("c3")
    assert before.startswith("10.60.")
    fill(one)  # claims blocks of the wider fabric
    one.tell()
    assert two.add("c4")  # goes on with the blocks that it has
    with pytest.raises(CniError, match="not the same in this node's file and in the registry"):
        fill(two)


def test_the_same_file_changes_nothing(world: World, pair: Pair) -> None:
    revision = world.document(pair[0], "ipam", "show")["revision"]
    result = world.railctl(pair[0], "fabric", "change", next_file(world, base(world)))
    assert (result.exit_code, "nothing to change" in result.stdout) == (0, True)
    assert world.document(pair[0], "ipam", "show")["revision"] == revision


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("10.60.0.0/16", "10.60.0.0/17", "or a wider subnet with the same network address"),
        ("[fabrics.backend]", "[fabrics.backend]\nblockSize = 32", "blockSize is 32"),
        ('["10.60.1.0/24"]', '["10.60.1.0/25"]', "static has lost the slots"),
    ],
)
def test_what_may_never_change(world: World, pair: Pair, old: str, new: str, problem: str) -> None:
    text = base(world).replace(old, new)
    if "/17" in new:
        text = text.replace("10.64.0.0/16", "10.64.0.0/17")
    result = world.railctl(pair[0], "fabric", "change", next_file(world, text), "--yes")
    assert (result.exit_code, problem in result.stderr) == (1, True), result.stderr


def withheld(world: World, subnet: str) -> str:
    return base(world).replace('["10.60.1.0/24"]', f'["10.60.1.0/24", "{subnet}"]')


def test_slots_of_an_owned_block_are_not_taken_out(world: World, pair: Pair) -> None:
    one, two = pair
    blocks = world.keys("blocks/backend/")
    slot = int(blocks[0]) + 3
    file = next_file(world, withheld(world, f"10.60.{slot >> 8}.{slot & 255}/32"))
    result = world.railctl(one, "fabric", "change", file, "--yes")
    assert result.exit_code == 1
    assert (
        f"would lose slots of the block from slot {int(blocks[0])} on (node gpu-" in result.stderr
    )
    assert two.add("c9")


def test_slots_that_nobody_owns_are(world: World, pair: Pair) -> None:
    one, _ = pair
    owned = {int(key) // 256 for key in world.keys("blocks/backend/")}
    free = next(each for each in range(2, 255) if each not in owned)
    text = withheld(world, f"10.60.{free}.0/24")
    file = next_file(world, text)
    rows: list[dict[str, Any]] = world.document(one, "fabric", "change", file, "--yes")
    assert [row["key"] for row in rows] == ["static"]
    give(one, text)
    assert one.add("c9", ip=f"10.60.{free}.9") == f"10.60.{free}.9"


def test_more_runs_than_one_transaction_compares(world: World, pair: Pair) -> None:
    slots = ", ".join(f'"10.60.{each}.77"' for each in range(100, 250))
    text = base(world).replace('["10.60.1.0/24"]', f'["10.60.1.0/24", {slots}]')
    result = world.railctl(pair[0], "fabric", "change", next_file(world, text), "--yes")
    assert result.exit_code == 1
    assert "in 150 runs of blocks, expected at most 100" in result.stderr


def test_as_many_as_it_compares(world: World, pair: Pair) -> None:
    owned = {int(key) // 256 for key in world.keys("blocks/backend/")}
    free = [each for each in range(100, 250) if each not in owned][:100]
    slots = ", ".join(f'"10.60.{each}.77"' for each in free)
    text = base(world).replace('["10.60.1.0/24"]', f'["10.60.1.0/24", {slots}]')
    result = world.railctl(pair[0], "fabric", "change", next_file(world, text), "--yes")
    assert result.exit_code == 0, result.output
    assert "nobody owned a block in the 100 runs" in result.stdout


def test_not_without_the_word(world: World, pair: Pair) -> None:
    file = next_file(world, base(world, 15))
    result = world.railctl(pair[0], "fabric", "change", file, typed="\n")
    assert (result.exit_code, "nothing was changed" in result.stderr) == (1, True)


def test_a_file_of_another_registry(world: World, pair: Pair) -> None:
    other = base(world).replace("[etcd]", '[etcd]\nprefix = "/other/"')
    result = world.railctl(pair[0], "fabric", "change", next_file(world, other), "--yes")
    assert (result.exit_code, "expected the same registry" in result.stderr) == (1, True)


def test_a_file_with_errors(world: World, pair: Pair, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text("[fabrics.x]\n")
    result = world.railctl(pair[0], "fabric", "change", str(file))
    assert (result.exit_code, "railctl fabric check" in result.stderr) == (1, True)


def test_a_widened_rail_is_learnt_while_a_pod_uses_it_and_no_other(
    world: World, pair: Pair
) -> None:
    one, _ = pair
    for prefix, subnet in ((16, "10.60.0.0"), (15, "10.60.0.0")):
        give(one, base(world, prefix))
        world.railctl(one, "fabric", "change", next_file(world, base(world, prefix)), "--yes")
        assert one.add(f"p{prefix}").startswith(subnet[:5])
    give(one, base(world, 16))  # an old file, back again
    with pytest.raises(CniError, match="on this node, where pods use the fabric"):
        one.add("narrow")
