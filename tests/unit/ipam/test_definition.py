"""Fabrics as all nodes must agree on them: their blocks, their documents, and what may change."""

from __future__ import annotations

import itertools
import json
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipam.agreement import change_problems, differences, newly_withheld
from ipam.definition import MAX_SHARED_SLOT, Definition, define, from_json
from ipam.ranges import Network, Span, joined, without

RAILS = {"roce-a": "10.60.0.0/24", "roce-b": "10.61.0.0/24"}
runs = st.lists(
    st.tuples(st.integers(0, 255), st.integers(0, 40)).map(
        lambda pair: Span(pair[0], pair[0] + pair[1])
    ),
    max_size=4,
)


def nets(*texts: str) -> list[Network]:
    return [ip_network(text) for text in texts]


def backend(rails: dict[str, str] = RAILS, **parts: Any) -> Definition:
    return define("backend", {name: nets(*net.split()) for name, net in rails.items()}, **parts)


def members(spans: tuple[Span, ...]) -> set[int]:
    return {slot for run in spans for slot in range(run.first, run.last + 1)}


@given(excluded=runs, static=runs, size=st.sampled_from([1, 4, 16, 256]))
def test_blocks_are_what_their_slots_are(
    excluded: list[Span], static: list[Span], size: int
) -> None:
    fabric = backend(excluded=excluded, static=static, block_size=size)
    hosts = set(range(1, 255)) - members(joined(excluded))
    assert members(fabric.usable) == hosts - members(joined(static))
    assert members(fabric.requestable) == hosts & members(joined(static))
    assert fabric.block_count == 256 // size
    roomy = set()
    for index in range(fabric.block_count):
        block = fabric.block_at(index)
        slots = members((block,))
        assert {fabric.block_of(slot) for slot in slots} == {block}
        assert fabric.has_room(block) == bool(slots & members(fabric.usable))
        roomy |= {index} if fabric.has_room(block) else set()
    assert members(fabric.roomy_blocks) == roomy
    assert from_json(json.loads(json.dumps(fabric.to_json()))) == fabric


@given(one=runs, other=runs)
def test_joined_and_without(one: list[Span], other: list[Span]) -> None:
    left, right = joined(one), joined(other)
    assert members(without(left, right)) == members(left) - members(right)
    assert all(a.last + 1 < b.first for a, b in itertools.pairwise(left))


def test_a_large_subnet_gives_out_its_lower_part() -> None:
    fabric = backend({"a": "fd00:60::/64"})
    assert fabric.usable == (Span(1, MAX_SHARED_SLOT),)
    assert fabric.block_at(fabric.block_count - 1).last == MAX_SHARED_SLOT
    assert fabric.rail("a").usable == fabric.usable


def test_what_means_the_same_is_equal() -> None:
    one = backend(
        {"roce-b": "fd00:61::/64 10.61.0.0/24", "roce-a": "10.60.0.0/24 fd00:60::/64"},
        prefixes=nets("10.64.0.0/12", "10.0.0.0/12", "10.64.0.0/12"),
        excluded=[Span(9, 9), Span(1, 8), Span(5, 6), Span(250, 999)],
    )
    other = backend(
        {"roce-a": "10.60.0.0/24 fd00:60::/64", "roce-b": "10.61.0.0/24 fd00:61::/64"},
        prefixes=nets("10.0.0.0/12", "10.64.0.0/12"),
        excluded=[Span(1, 9), Span(250, 255)],
    )
    assert one == other
    assert json.dumps(one.to_json()) == json.dumps(other.to_json())


def test_the_document_is_for_a_person() -> None:
    assert backend(excluded=[Span(1, 1)], static=[Span(16, 31)]).to_json() == {
        "version": 1,
        "fabric": "backend",
        "blockSize": 16,
        "rails": {"roce-a": ["10.60.0.0/24"], "roce-b": ["10.61.0.0/24"]},
        "prefixes": [],
        "excluded": ["1"],
        "static": ["16-31"],
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version is 2, expected 1"),
        ({"spare": 1}, "expected the keys version, fabric"),
        ({"fabric": "a/b"}, "fabric is 'a/b', expected a name of"),
        ({"blockSize": 12}, "blockSize is 12, expected a power of two from 1 to 4096"),
        ({"blockSize": 8192}, "blockSize is 8192, expected a power of two"),
        ({"blockSize": True}, "blockSize is True, expected a number"),
        ({"rails": []}, "rails is [], expected an object"),
        ({"rails": {}}, "rails is empty"),
        ({"rails": {"a": "10.0.0.0/24"}}, "rails.a is '10.0.0.0/24', expected a list"),
        ({"rails": {"a": []}}, "rails.a is [], expected one subnet per family"),
        ({"rails": {"a": ["10.0.0.1/24"]}}, "rails.a is '10.0.0.1/24', expected a network"),
        ({"rails": {"a": ["10.0.0.0/24"], "b": ["10.0.0.0/24"]}}, "expected no overlap with a"),
        ({"rails": {"a": ["10.0.0.0/24"], "b": ["10.1.0.0/25"]}}, "prefix lengths of a"),
        ({"rails": {"a/": ["10.0.0.0/24"]}}, "rails is 'a/', expected a name"),
        ({"prefixes": "x"}, "prefixes is 'x', expected a list"),
        ({"prefixes": [7]}, "prefixes is 7, expected a network"),
        ({"excluded": ["9-1"]}, "excluded is '9-1', expected a slot or a run of slots"),
        ({"excluded": ["9", "1"]}, "excluded is ['9', '1'], expected ['1', '9']"),
        ({"static": ["999"]}, "static is ['999'], expected []: sorted"),
    ],
)
def test_a_bad_document_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=r".+") as caught:
        from_json(backend().to_json() | change)
    assert words in str(caught.value)


@pytest.mark.parametrize("document", [None, [], "x", {}, {"version": 1}])
def test_what_is_no_document(document: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        from_json(document)


def test_differences_name_both_values() -> None:
    mine = backend(excluded=[Span(1, 1)])
    theirs = backend({**RAILS, "roce-c": "10.62.0.0/24"}, block_size=32)
    assert differences(mine, mine) == []
    assert differences(mine, theirs) == [
        "blockSize is 16 on this node and 32 in the registry",
        "excluded is 1 on this node and empty in the registry",
        "rails.roce-c is missing on this node and 10.62.0.0/24 in the registry",
    ]


WIDER = {"roce-a": "10.60.0.0/16", "roce-b": "10.61.0.0/16"}


@pytest.mark.parametrize(
    ("after", "withheld"),
    [
        (backend(), ()),
        (backend(WIDER), ()),
        (backend({**RAILS, "roce-c": "10.62.0.0/24"}), ()),
        (backend(prefixes=nets("10.0.0.0/12")), ()),
        (backend(excluded=[Span(0, 3)]), (Span(1, 3),)),
        (backend(static=[Span(16, 31)]), (Span(16, 31),)),
        (backend(WIDER, static=[Span(250, 300)]), (Span(250, 254),)),
    ],
)
def test_a_fabric_may_grow(after: Definition, withheld: tuple[Span, ...]) -> None:
    assert change_problems(backend(), after) == []
    assert newly_withheld(backend(), after) == withheld


def test_what_was_withheld_may_be_given_out() -> None:
    before = backend(excluded=[Span(1, 9)], prefixes=nets("10.0.0.0/12"))
    assert change_problems(before, backend(excluded=[Span(4, 4)])) == []
    assert newly_withheld(before, backend()) == ()


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (define("other", {n: nets(t) for n, t in RAILS.items()}), "fabric is other, expected back"),
        (backend(block_size=32), "blockSize is 32, expected 16 as before"),
        (backend({"roce-a": "10.60.0.0/24"}), "rails.roce-b is missing, expected 10.61.0.0/24"),
        (backend({**RAILS, "roce-b": "10.62.0.0/24"}), "rails.roce-b is 10.62.0.0/24, expected"),
        (backend({"roce-a": "10.60.0.0/25", "roce-b": "10.61.0.0/25"}), "or a wider subnet"),
        (
            backend({"roce-a": "10.60.0.0/24 fd00::/64", "roce-b": "10.61.0.0/24 fd01::/64"}),
            "expected the families of 10.60.0.0/24",
        ),
    ],
)
def test_what_pods_may_hold_stays(after: Definition, words: str) -> None:
    assert words in " ".join(change_problems(backend(), after))


@pytest.mark.parametrize(
    "after",
    [backend(static=[Span(16, 30)]), backend(static=[Span(16, 31)], excluded=[Span(31, 31)])],
)
def test_a_static_range_is_not_taken_away(after: Definition) -> None:
    before = backend(static=[Span(16, 31)])
    assert "static has lost the slots 31, expected" in " ".join(change_problems(before, after))
