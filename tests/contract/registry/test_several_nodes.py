"""What etcd's registry promises to several nodes."""

from __future__ import annotations

import pytest

from cni.protocol.request import Pod
from ipam.blocks import Block, Intent, Single
from ipam.definition import define
from ipam.etcd.interface import Delete, Keys, Txn
from ipam.registry.etcd import EtcdRegistry
from ipam.registry.interface import (
    Change,
    DisagreementError,
    FrozenError,
    FullError,
    Mirrored,
    TakenError,
)
from tests.contract.registry.conftest import FABRIC, Nodes

SEEN = Mirrored(FABRIC, 1, "c1", Pod("ml", "rank-0", "u"), ("10.60.0.1",), "now")


def claim(registry: EtcdRegistry, token: str) -> Block | None:
    proposal = registry.propose(FABRIC)
    return registry.claim(Intent(FABRIC, token, proposal.spans), proposal.revision)


def own(registry: EtcdRegistry, token: str) -> Block:
    block = claim(registry, token)
    assert block is not None
    return block


def test_no_block_has_two_owners_and_a_full_fabric_says_so(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    blocks = [own(each, f"{number}") for number in range(8) for each in (one, two)]
    assert len({block.span for block in blocks}) == 16
    with pytest.raises(FullError):
        one.propose(FABRIC)


def test_a_settled_claim_gets_nothing_any_more(nodes: Nodes) -> None:
    one, late = nodes.open("one"), nodes.open("one")
    proposal = one.propose(FABRIC)
    intent = Intent(FABRIC, "t", proposal.spans)
    assert one.settle(intent) is None
    assert own(nodes.open("two"), "other") is not None
    assert late.settle(intent) is None


def test_who_was_faster_keeps_the_block(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    proposal = one.propose(FABRIC)
    spans = proposal.spans[:1]
    assert two.claim(Intent(FABRIC, "b", spans), proposal.revision)
    assert one.claim(Intent(FABRIC, "a", spans), proposal.revision) is None


def test_a_returned_block_is_anybodys(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    block = own(one, "a")
    assert one.give_back(block)
    again = two.claim(Intent(FABRIC, "b", (block.span,)), two.propose(FABRIC).revision)
    assert again
    assert again.epoch > block.epoch
    assert one.give_back(block)  # it is gone, and the other one stays
    assert two.join([FABRIC], [again]).lost == ()


def test_the_mirror_of_a_lost_block_is_not_written(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    block = own(one, "a")
    one.give_back(block)
    again = two.claim(Intent(FABRIC, "b", (block.span,)), two.propose(FABRIC).revision)
    assert again
    told = one.publish([Change(block, block.span.first, SEEN)])
    assert told.lost == (block,)
    assert two.claims_in(again) == []


def test_a_boot_confirms_what_is_known_and_adopts_the_rest(nodes: Nodes) -> None:
    one = nodes.open("one")
    known, unknown = own(one, "a"), own(one, "b")
    joined = nodes.open("one", boot="boot-2").join([FABRIC], [known])
    assert [block.span for block in joined.confirmed] == [known.span]
    assert [block.span for block in joined.adopted] == [unknown.span]


def test_a_lost_journal_retires_its_blocks_until_the_next_boot(nodes: Nodes) -> None:
    block = own(nodes.open("one"), "a")
    joined = nodes.open("one", journal="second").join([FABRIC], [])
    assert [one.span for one in joined.retired] == [block.span]
    joined = nodes.open("one", journal="second", boot="boot-2").join([FABRIC], [])
    assert [one.span for one in joined.adopted] == [block.span]


def test_another_nodes_blocks_are_nobody_elses(nodes: Nodes) -> None:
    block = own(nodes.open("one"), "a")
    joined = nodes.open("two").join([FABRIC], [block])
    assert joined.lost == (block,)
    assert (joined.confirmed, joined.adopted, joined.retired) == ((), (), ())


def test_definitions_must_agree(nodes: Nodes) -> None:
    nodes.open("one").join([FABRIC], [])
    rails = {"a": nodes.definitions[FABRIC].rails[0].subnets}
    nodes.definitions = {FABRIC: define(FABRIC, rails, block_size=8)}
    with pytest.raises(DisagreementError, match="blockSize is 8 on this node and 4"):
        nodes.open("two").join([FABRIC], [])


def test_while_frozen_nothing_is_claimed_or_confirmed(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    block = own(one, "a")
    assert one.restore([FABRIC], [block], []).conflicts == ()
    with pytest.raises(FrozenError) as mine:
        claim(one, "b")
    with pytest.raises(FrozenError) as others:
        two.join([FABRIC], [])
    assert (mine.value.answered, others.value.answered) == (True, False)
    nodes.etcd.txn(Txn(then=(Delete(Keys(f"{nodes.prefix}frozen")),)), 10.0)
    assert claim(two, "c")


def test_what_is_put_back_is_only_what_nobody_has(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    block, forgotten = own(one, "a"), own(one, "b")
    one.give_back(forgotten)
    restored = two.restore([FABRIC], [block, forgotten], [])
    assert [kept.span for kept in restored.kept] == [forgotten.span]
    assert restored.conflicts == (block,)
    assert nodes.sessions["journal-of-two"].frozen == 0  # it is asked again


def test_an_address_by_itself_has_one_holder(nodes: Nodes) -> None:
    one, two = nodes.open("one"), nodes.open("two")
    for registry in (one, two):
        registry.join([FABRIC], [])
    mine, theirs = Single(FABRIC, 1, "c1"), Single(FABRIC, 1, "c2")
    one.singles.hold(mine, SEEN)
    one.singles.hold(mine, SEEN)
    with pytest.raises(TakenError, match="held by container c1"):
        two.singles.hold(theirs, SEEN)
    two.singles.release(theirs)
    with pytest.raises(TakenError):
        two.singles.hold(theirs, SEEN)
    one.singles.release(mine)
    two.singles.hold(theirs, SEEN)
