"""Slots ↔ addresses, and the arithmetic of runs, against the plain sets that they stand for."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipam.ranges import (
    MAX_SLOT,
    Fabric,
    Rail,
    Span,
    Spans,
    intersect,
    make_rail,
    next_in,
    overlap,
    same_shape,
    subtract,
)

spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=6).map(
    lambda pairs: [Span(first, first + more) for first, more in pairs]
)


def members(runs: Spans | list[Span]) -> set[int]:
    return {slot for run in runs for slot in range(run.first, run.last + 1)}


def rail(name: str, *subnets: str, excluded: tuple[Span, ...] = ()) -> Rail:
    return make_rail(name, [ip_network(subnet) for subnet in subnets], excluded=excluded)


@given(first=st.integers(0, 30), more=st.integers(0, 20), holes=spans)
def test_subtract_leaves_what_no_hole_has(first: int, more: int, holes: list[Span]) -> None:
    whole = Span(first, first + more)
    left = subtract(whole, holes)
    assert members(left) == members([whole]) - members(holes)
    assert all(a.last + 1 < b.first for a, b in pairwise(left))


@given(one=spans, other=spans, slot=st.integers(0, 60))
def test_intersect_and_next_in(one: list[Span], other: list[Span], slot: int) -> None:
    left, right = (subtract(Span(0, 60), holes) for holes in (one, other))
    common = intersect(left, right)
    assert members(common) == members(left) & members(right)
    assert next_in(common, slot) == min((s for s in members(common) if s >= slot), default=None)


@pytest.mark.parametrize(
    ("subnet", "slot", "address"),
    [
        ("10.60.0.0/16", 1234, "10.60.4.210/16"),
        ("10.61.0.0/16", 1234, "10.61.4.210/16"),
        ("fd00:60::/64", 1234, "fd00:60::4d2/64"),
        ("192.168.7.64/26", 1, "192.168.7.65/26"),
    ],
)
def test_a_slot_is_the_host_part(subnet: str, slot: int, address: str) -> None:
    one = rail("a", subnet)
    assert [str(each) for each in one.addresses(slot)] == [address]
    assert one.slot_of(ip_address(address.partition("/")[0])) == slot


def test_no_slot_outside_the_subnet_or_beyond_what_the_journal_can_hold() -> None:
    one = rail("a", "10.60.0.0/16", "fd00:60::/64")
    assert one.slot_of(ip_address("10.61.0.1")) is None
    assert one.slot_of(ip_address("fd00:60::ffff:0:0:1")) is None
    assert one.slot_of(ip_address("fd00:60::3fff:ffff:ffff:ffff")) == MAX_SLOT


@pytest.mark.parametrize(
    ("subnets", "usable"),
    [
        (["10.0.0.0/29"], [Span(1, 6)]),
        (["10.0.0.0/30"], [Span(1, 2)]),
        (["fd00::/125"], [Span(1, 7)]),
        (["fd00::/126"], [Span(1, 3)]),
        (["fd00::/64"], [Span(1, MAX_SLOT)]),
        (["fd00::/64", "10.0.0.0/29"], [Span(1, 6)]),
    ],
)
def test_reserved_addresses_are_not_usable(subnets: list[str], usable: list[Span]) -> None:
    assert list(rail("a", *subnets).usable) == usable


def test_families_are_kept_in_one_order() -> None:
    one, other = rail("a", "10.0.0.0/24", "fd00::/64"), rail("b", "fd01::/64", "10.1.0.0/24")
    assert same_shape(one, other)
    assert [net.version for net in other.subnets] == [4, 6]


def test_a_slot_is_usable_where_every_rail_allows_it() -> None:
    one = rail("a", "10.0.0.0/24", excluded=(Span(2, 100),))
    other = rail("b", "10.1.0.0/24", excluded=(Span(90, 200),))
    fabric = Fabric("f", (one, other))
    assert fabric.usable == (Span(1, 1), Span(201, 254))
    assert fabric.next_usable(2) == 201
    assert fabric.next_usable(255) is None
    assert fabric.allows(201)
    assert not fabric.allows(150)
    assert fabric.rail("b") is other
    with pytest.raises(KeyError):
        fabric.rail("c")


@pytest.mark.parametrize(
    ("one", "other", "fits", "shares"),
    [
        (["10.0.0.0/24"], ["10.1.0.0/24"], True, False),
        (["10.0.0.0/24"], ["10.1.0.0/25"], False, False),
        (["10.0.0.0/24"], ["fd00::/64"], False, False),
        (["10.0.0.0/24"], ["10.1.0.0/24", "fd00::/64"], False, False),
        (["10.0.0.0/24", "fd00::/64"], ["10.1.0.0/24", "fd00::/64"], True, True),
        (["10.0.0.0/23"], ["10.0.1.0/24"], False, True),
    ],
)
def test_which_rails_fit_together(
    one: list[str], other: list[str], *, fits: bool, shares: bool
) -> None:
    assert same_shape(rail("a", *one), rail("b", *other)) is fits
    assert overlap(rail("a", *one), rail("b", *other)) is shares
