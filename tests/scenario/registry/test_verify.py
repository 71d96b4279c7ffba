"""`railctl ipam verify`: each difference has its line, and what is under way is none."""

from __future__ import annotations

from typing import Any

from ipam.etcd.interface import Delete, Keys, Txn
from ipam.registry.records import BlockRecord, ClaimRecord, Pod
from tests.scenario.registry.worlds import WITHIN, Node, World

Pair = tuple[Node, Node]
MINUTE = 61


def settled(node: Node) -> None:
    """Let so much time pass that each pod must have its address."""
    node.now += MINUTE * 10**9


def differences(world: World, node: Node, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = world.document(node, "ipam", "verify", *options, code=1)
    return found


def first_block(world: World, node: Node) -> str:
    with node.wiring.journal() as journal, journal.rehearsal() as tx:
        (slot,) = tx.slots_held("backend")
        tenure = tx.blocks.covering("backend", slot)
    assert tenure
    return world.layout.block("backend", tenure.block.span)


def block_of(node: Node) -> bytes:
    """Return what a block's key says when a node has it."""
    owner = node.session.model_dump(include={"node", "hardware", "boot", "journal"})
    return BlockRecord(**owner, size=16, token="t").encode()  # noqa: S106 - of a claim, no secret


def test_all_in_order(world: World, pair: Pair) -> None:
    one, _ = pair
    address = world.document(one, "ipam", "show", "--node", "gpu-1")["addresses"][0]["addresses"]
    one.show_address(address.split()[0])
    settled(one)
    result = world.railctl(one, "ipam", "verify")
    assert (result.exit_code, result.stdout) == (0, "no difference\n")
    assert world.document(one, "ipam", "verify", "--all") == []


def test_what_the_outbox_has_still_to_tell_is_pending(world: World, pair: Pair) -> None:
    one, _ = pair
    address = one.add("c3")
    (row,) = world.document(one, "ipam", "verify")
    assert (row["pending"], "container c3" in row["what"]) == (True, True)
    assert world.railctl(one, "ipam", "verify", "--strict").exit_code == 1
    one.tell()
    assert world.document(one, "ipam", "verify") == []
    assert address


def test_a_claim_without_a_namespace(world: World, pair: Pair) -> None:
    one, _ = pair
    settled(one)
    (row,) = differences(world, one)
    assert "container-1" in row["what"]
    assert row["advice"].endswith("railctl ipam release container-1")


def test_an_address_without_a_claim(world: World, pair: Pair) -> None:
    one, _ = pair
    one.show_address("10.60.200.9")
    (row,) = differences(world, one)
    assert row["what"].startswith("10.60.200.9 is on net1 in /run/netns/cni-10.60.200.9")


def test_one_address_in_two_namespaces(world: World, pair: Pair) -> None:
    one, _ = pair
    shown = world.document(one, "ipam", "show", "--node", "gpu-1")["addresses"][0]["addresses"]
    address = shown.split()[0]
    one.show_address(address)
    one.kernel.add_namespace("/run/netns/twin")
    one.kernel.add_veth("hx", "net1", peer_path="/run/netns/twin")
    with one.kernel.open("/run/netns/twin") as twin:
        link = twin.find("net1")
        assert link
        with one.kernel.open(f"/run/netns/cni-{address}") as first:
            there = first.find("net1")
            assert there
            (same,) = [a for a in first.addresses(there.index) if str(a.ip) == address]
        twin.add_address(link.index, same)
    (row,) = differences(world, one)
    assert "is in 2 namespaces" in row["what"]


def test_a_block_that_etcd_does_not_have(world: World, pair: Pair) -> None:
    one, _ = pair
    key = first_block(world, one)
    world.etcd.txn(Txn(then=(Delete(Keys(key)),)), WITHIN)
    assert any("etcd has no such block" in row["what"] for row in differences(world, one))
    assert any("nobody owns" in row["what"] for row in differences(world, one, "--all"))


def test_a_block_that_is_another_nodes(world: World, pair: Pair) -> None:
    one, two = pair
    key = first_block(world, one)
    world.put(key, block_of(two))
    assert any("in etcd gpu-2's" in row["what"] for row in differences(world, one))
    assert any("does not know it" in row["what"] for row in differences(world, two))
    assert any(
        "in a block of node gpu-2" in row["what"] for row in differences(world, one, "--all")
    )


def test_a_mirror_that_says_something_else(world: World, pair: Pair) -> None:
    one, _ = pair
    (key,) = [k for k in world.keys("claims/backend/") if f"/{k[:9]}" in first_block(world, one)]
    claim = ClaimRecord(node="gpu-1", container="ghost", pod=Pod(), addresses=(), since="")
    world.put(f"/railcni/claims/backend/{key}", claim.encode())
    (row,) = differences(world, one)
    assert "held by container container-1 here, and by container ghost in the mirror" in row["what"]


def test_what_is_wrong_in_the_registry_by_itself(world: World, pair: Pair) -> None:
    one, two = pair
    key = first_block(world, one)
    slot = int(key[-10:])
    world.put(f"/railcni/blocks/backend/{slot + 8:010}", block_of(two))
    world.put("/railcni/nodes/gpu-7", b"{}")
    said = [row["what"] for row in differences(world, one, "--all")]
    assert any("overlaps" in what for what in said)
    assert any("no block of 16 slots" in what for what in said)
    assert any("nodes/gpu-7" in what for what in said)


def test_without_etcd_the_kernel_is_looked_at_nevertheless(world: World, pair: Pair) -> None:
    one, _ = pair
    one.show_address("10.60.200.9")
    world.reachable = False
    one_here, no_etcd = differences(world, one)
    assert one_here["what"].startswith("10.60.200.9 is on net1")
    assert no_etcd["what"].startswith("the registry was not looked at: ")
    assert "see that etcd answers" in no_etcd["advice"]
