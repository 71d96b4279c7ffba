"""`railctl ipam show` and `map`: whose an address is, and how a fabric looks."""

from __future__ import annotations

from typing import Any

from ipam.etcd.interface import Delete, Get, Keys, Txn
from tests.scenario.registry.worlds import WITHIN, Node, World

Pair = tuple[Node, Node]


def test_who_holds_what_in_the_whole_cluster(world: World, pair: Pair) -> None:
    one, two = pair
    world.beat(one)
    found = world.document(one, "ipam", "show")
    rows = {row["node"]: row for row in found["addresses"]}
    assert {name: row["container"] for name, row in rows.items()} == {
        "gpu-1": "container-1", "gpu-2": "container-2",
    }  # fmt: skip
    assert rows["gpu-1"]["pod"] == "training/pod-container-1"
    assert (rows["gpu-1"]["note"], rows["gpu-2"]["note"]) == ("", "no heartbeat")
    assert [row["node"] for row in found["silent"]] == ["gpu-2"]
    assert found["revision"] == world.etcd.get(Get(Keys("any")), WITHIN).revision
    alone = world.document(one, "ipam", "show", "--node", "gpu-2", "--fabric", "backend")
    assert [row["node"] for row in alone["addresses"]] == ["gpu-2"]
    text = world.railctl(two, "ipam", "show").stdout
    assert "node gpu-2 has no heartbeat, and 2 blocks" in text
    assert f"as of revision {found['revision']}, " in text


def test_whose_one_address_is(world: World, pair: Pair) -> None:
    one, _ = pair
    address = one.add("c3")
    one.tell()
    row = world.document(pair[1], "ipam", "show", address)["address"]
    assert (row["node"], row["container"], row["owner"]) == ("gpu-1", "c3", "gpu-1")
    assert address in row["addresses"].split()
    assert "container  c3\n" in world.railctl(one, "ipam", "show", address).stdout


def test_what_nobody_holds_says_where_it_lies(world: World, pair: Pair) -> None:
    one, _ = pair
    address = one.add("c3")  # and nobody has told the registry
    text = world.railctl(pair[1], "ipam", "show", address).stdout
    assert f"nobody holds {address}" in text
    assert "owner      gpu-1" in text
    never = world.document(one, "ipam", "show", "10.60.0.0")["address"]
    assert never["state"] == "never given"
    static = world.document(one, "ipam", "show", "10.60.1.7")["address"]
    assert static["state"].startswith("static")


def test_an_address_of_no_fabric(world: World, pair: Pair) -> None:
    result = world.railctl(pair[0], "ipam", "show", "192.0.2.1")
    assert result.exit_code == 1
    assert "no address of a fabric" in result.stderr
    assert "10.60.0.0/16" in result.stderr


def test_a_fabric_that_nobody_knows(world: World, pair: Pair) -> None:
    result = world.railctl(pair[0], "ipam", "show", "--fabric", "storage")
    assert (result.exit_code, "the registry knows backend" in result.stderr) == (1, True)


def test_single_addresses_and_what_is_kept_of_them(world: World, pair: Pair) -> None:
    one, _ = pair
    world.beat(one)
    assert one.add("c4", ip="10.60.1.7") == "10.60.1.7"
    sticky = one.add("c5", sticky="pod")
    assert world.document(one, "ipam", "show", "10.60.1.7")["address"]["note"] == "requested"
    row = world.document(one, "ipam", "show", sticky)["address"]
    assert (row["container"], row["note"]) == ("c5", "sticky for training/pod-c5")
    one.delete("c5")
    one.tell()
    row = world.document(one, "ipam", "show", sticky)["address"]
    assert (row["container"], row["note"].split(",")[0]) == ("", "released")


def test_a_claim_outside_of_its_nodes_blocks_is_marked(world: World, pair: Pair) -> None:
    world.etcd.txn(Txn(then=(Delete(Keys.below("/railcni/blocks/")),)), WITHIN)
    rows = world.document(pair[0], "ipam", "show")["addresses"]
    assert [row["note"] for row in rows] == ["in a block that nobody owns"] * 2


def test_without_etcd_the_nodes_own_journal_is_shown_as_such(world: World, pair: Pair) -> None:
    one, _ = pair
    world.reachable = False
    found = world.document(one, "ipam", "show")
    assert found["source"] == "journal"
    assert [row["container"] for row in found["addresses"]] == ["container-1"]
    result = world.railctl(one, "ipam", "show")
    assert "this is this node's own journal" in result.stdout
    assert "127.0.0.1:9" in result.stderr


def test_without_a_node_file(world: World, pair: Pair) -> None:
    one, _ = pair
    one.paths.node_file.unlink()
    one.wiring.__dict__.pop("node_file", None)
    result = world.railctl(one, "ipam", "map")
    assert result.exit_code == 1
    assert "expected the node file" in result.stderr


def test_a_value_that_cannot_be_read_hides_nothing(world: World, pair: Pair) -> None:
    world.put("/railcni/claims/backend/0000000099", b"what")
    found = world.document(pair[0], "ipam", "show")
    assert len(found["addresses"]) == 2
    assert "0000000099" in found["unreadable"][0]


def test_the_map(world: World, pair: Pair) -> None:
    one, _ = pair
    world.beat(one)
    (fabric,) = world.document(one, "ipam", "map")["fabrics"]
    assert len(fabric["blocks"]) == 4
    nodes: list[dict[str, Any]] = fabric["nodes"]
    assert [(n["node"], n["heartbeat"], n["blocks"], n["held"]) for n in nodes] == [
        ("gpu-1", True, 2, 1), ("gpu-2", False, 2, 1),
    ]  # fmt: skip
    lines = world.railctl(one, "ipam", "map").stdout.splitlines()
    assert max(map(len, lines[:-2])) <= 80
    drawn = "".join(line[16:] for line in lines if line.startswith("10.60."))
    assert (drawn.count("A"), drawn.count("B")) == (2, 2)
    assert any("gpu-2: 2 blocks, 1 of 32 held, no heartbeat" in line for line in lines)


def test_the_map_places_each_block_where_its_address_is(world: World, pair: Pair) -> None:
    one, _ = pair
    (fabric,) = world.document(one, "ipam", "map")["fabrics"]
    lines = world.railctl(one, "ipam", "map").stdout.splitlines()
    for block in fabric["blocks"]:
        place = block["first"] // 16
        begin = place // 64 * 64 * 16
        (line,) = [one for one in lines if one.startswith(f"10.60.{begin >> 8}.{begin & 255} ")]
        assert line[16 + place % 64] in "AB"
