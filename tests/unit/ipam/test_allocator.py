"""The choices among free slots, on plain lists; tests/scenario/ipam has the journal under them."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

import pytest

from ipam.allocator import Rested, choose_rested, first_fresh, joinable
from ipam.journal.pool import Freed
from ipam.ranges import Fabric, Span, make_rail

SLOTS_5_AND_8_TO_9 = (Span(1, 4), Span(6, 7), Span(10, 30))
FABRIC = Fabric("f", (make_rail("a", [ip_network("10.0.0.0/27")], excluded=SLOTS_5_AND_8_TO_9),))


def runs(*fresh: Span) -> Callable[[int], Span | None]:
    return lambda slot: next((run for run in fresh if run.last >= slot), None)


@pytest.mark.parametrize(
    ("fresh", "slot"),
    [
        ([Span(0, 99)], 5),
        ([Span(0, 4), Span(6, 99)], 8),
        ([Span(0, 4), Span(6, 7), Span(9, 9)], 9),
        ([Span(10, 99)], None),
        ([Span(0, 4)], None),
        ([], None),
    ],
)
def test_the_lowest_fresh_slot_that_is_usable(fresh: list[Span], slot: int | None) -> None:
    assert first_fresh(FABRIC, runs(*fresh)) == slot


@pytest.mark.parametrize(
    ("freed", "chosen"),
    [
        ([], Rested(None)),
        ([Freed(8, 10), Freed(5, 20)], Rested(8)),
        ([Freed(8, 101), Freed(5, 102)], Rested(8, early=True)),
        ([Freed(3, 10), Freed(5, 20)], Rested(5, idle=(3,))),
        ([Freed(3, 101), Freed(5, 102)], Rested(5, early=True)),
        ([Freed(3, 10), Freed(4, 101)], Rested(None, idle=(3,))),
        ([Freed(5, 100)], Rested(5)),
    ],
)
def test_what_has_rested_longest(freed: list[Freed], chosen: Rested) -> None:
    assert choose_rested(FABRIC, freed, ready_at=100) == chosen


def test_only_as_much_is_read_as_is_needed() -> None:
    rest = iter([Freed(8, 1), Freed(5, 2)])
    choose_rested(FABRIC, rest, ready_at=100)
    assert next(rest) == Freed(5, 2)


@pytest.mark.parametrize(
    ("held", "slot"),
    [
        ({}, None),
        ({7: {"a"}}, None),
        ({7: {"b"}}, 7),
        ({7: {"a", "b"}, 3: {"b"}}, 3),
        ({7: {"b"}, 3: {"b"}}, 7),
    ],
)
def test_a_container_joins_its_oldest_claim_that_lacks_the_rail(
    held: dict[int, set[str]], slot: int | None
) -> None:
    assert joinable(held, "a") == slot
