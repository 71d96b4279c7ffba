"""What any registry promises to one node."""

from __future__ import annotations

from cni.protocol.request import Pod
from ipam.blocks import Block, Intent
from ipam.registry.interface import Change, Mirrored, Registry
from tests.contract.registry.conftest import FABRIC


def claimed(registry: Registry, token: str = "t") -> Block:  # noqa: S107 - of a claim
    proposal = registry.propose(FABRIC)
    block = registry.claim(Intent(FABRIC, token, proposal.spans), proposal.revision)
    assert block is not None
    assert block.span in proposal.spans
    return block


def test_what_is_proposed_can_be_claimed(registry: Registry) -> None:
    assert claimed(registry).fabric == FABRIC


def test_what_a_claim_has_got_is_told_again(registry: Registry) -> None:
    proposal = registry.propose(FABRIC)
    intent = Intent(FABRIC, "t", proposal.spans)
    block = registry.claim(intent, proposal.revision)
    assert registry.settle(intent) == block
    assert registry.settle(intent) == block


def test_a_block_is_confirmed(registry: Registry) -> None:
    block = claimed(registry)
    joined = registry.join([FABRIC], [block])
    assert [one.span for one in joined.confirmed] == [block.span]
    assert (joined.lost, joined.adopted, joined.retired) == ((), (), ())


def test_a_block_in_which_somebody_lives_is_not_returned(registry: Registry) -> None:
    block = claimed(registry)
    slot = block.span.first + 1
    seen = Mirrored(FABRIC, slot, "c1", Pod("ml", "rank-0", "u"), ("10.60.0.9",), "now")
    told = registry.publish([Change(block, slot, seen)])
    assert (told.lost, told.renewed, told.frozen) == ((), (), False)
    assert not registry.give_back(block)
    assert registry.claims_in(block) in ([], [seen])
    assert registry.publish([Change(block, slot, None)]).lost == ()
    assert registry.claims_in(block) == []


def test_what_is_put_back_is_kept(registry: Registry) -> None:
    block = claimed(registry)
    restored = registry.restore([FABRIC], [block], [])
    assert [one.span for one in restored.kept] == [block.span]
    assert (restored.conflicts, restored.refused) == ((), ())
