"""The judge of what journals and registry say in the end."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from ipam.blocks import Block, State, Tenure
from ipam.ranges import Span
from ipam.registry.records import BlockRecord
from tests.chaos.check import Life
from tests.chaos.standing import Books, Registered, problems

TOKEN = "claimed"  # noqa: S105 - of a claim, and no secret
RECORD = BlockRecord(node="gpu-0", hardware="dmi:1", boot="boot", journal="j0", size=8, token=TOKEN)
BLOCK = Tenure(Block("backend", Span(8, 15), 5, 5), State.OWNED)
BOOKS = Books("gpu-0", "j0", (BLOCK,), {("backend", 9): "a"}, frozenset(), 0)
REGISTRY = Registered({("backend", 8): RECORD}, {("backend", 9): "a"})
LIFE = Life("10.60.0.9", "gpu-0", "a", "roce-a", 1.0, math.inf)


def test_what_fits_together_is_in_order() -> None:
    assert list(problems([BOOKS], REGISTRY, [LIFE])) == []


def test_what_a_lost_journal_had_is_kept_aside() -> None:
    retired = Tenure(BLOCK.block, State.RETIRED)
    books = replace(BOOKS, journal_id="j1", tenures=(retired,), claims={})
    assert list(problems([books], REGISTRY, [LIFE])) == []


def test_a_claim_whose_answer_never_came_may_have_got_a_block() -> None:
    books = replace(BOOKS, tenures=(), claims={}, tokens=frozenset({TOKEN}))
    assert list(problems([books], replace(REGISTRY, claims={}), [])) == []


def test_a_claim_of_a_pod_that_is_gone_is_named() -> None:
    [problem] = problems([BOOKS], REGISTRY, [])
    assert problem == "gpu-0 still has a at ('backend', 9), whose pod is gone"


@pytest.mark.parametrize(
    ("books", "registry", "word"),
    [
        (replace(BOOKS, untold=1), REGISTRY, "still to tell"),
        (BOOKS, replace(REGISTRY, frozen=True), "forbidden"),
        (BOOKS, replace(REGISTRY, contradictions=("a key",)), "a key"),
        (BOOKS, replace(REGISTRY, blocks={}), "registered for nobody"),
        (replace(BOOKS, tenures=(Tenure(BLOCK.block, State.LOST),)), REGISTRY, "has lost"),
        (BOOKS, replace(REGISTRY, claims={}), "the mirror has not"),
        (
            BOOKS,
            replace(REGISTRY, claims=REGISTRY.claims | {("backend", 10): "b"}),
            "and no journal has",
        ),
        (
            BOOKS,
            replace(REGISTRY, blocks=REGISTRY.blocks | {("backend", 16): RECORD}),
            "does not know it",
        ),
        (
            BOOKS,
            replace(REGISTRY, blocks={("backend", 8): RECORD.model_copy(update={"size": 16})}),
            "has 16 slots",
        ),
        (replace(BOOKS, claims={}), replace(REGISTRY, claims={}), "has forgotten"),
    ],
)
def test_what_does_not_fit_is_named(books: Books, registry: Registered, word: str) -> None:
    [problem] = problems([books], registry, [LIFE])
    assert word in problem
