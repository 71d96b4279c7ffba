"""What `railctl ipam` decides and draws, without a registry."""

from __future__ import annotations

import sys
from ipaddress import ip_address, ip_network

import pytest

from install.railctl.ipam.audit import audit
from install.railctl.ipam.cluster import RefusedError, confirm, progress
from install.railctl.ipam.map import Cell, Picture, lines
from install.railctl.ipam.rows import locate
from ipam.definition import Definition, define
from ipam.etcd.interface import KeyValue
from ipam.ranges import Span
from ipam.registry.operator import withheld_blocks
from ipam.registry.overview import Census, Stored
from ipam.registry.records import BlockRecord, ClaimRecord, Pod, StaticRecord

NOBODY = Census({}, {})


def fabric(*subnets: str, static: tuple[Span, ...] = ()) -> Definition:
    nets = [ip_network(subnet) for subnet in subnets or ("10.60.0.0/16",)]
    return define("backend", {"roce-a": nets}, static=static)


def cell(place: int, node: str = "gpu-1", held: int = 0) -> Cell:
    return Cell(Span(place * 16, place * 16 + 15), node, held, 16)


def block(slot: int, node: str = "gpu-1", size: int = 16) -> Stored[BlockRecord]:
    record = BlockRecord(node=node, hardware="h", boot="b", journal="j", size=size, token="")
    return Stored(KeyValue(f"/railcni/blocks/backend/{slot:010}", b"", 5, 5, 1), record)


def claim(slot: int, node: str = "gpu-1") -> Stored[ClaimRecord]:
    record = ClaimRecord(node=node, container="c", pod=Pod(), addresses=(), since="")
    return Stored(KeyValue(f"/railcni/claims/backend/{slot:010}", b"", 5, 5, 1), record)


def single(slot: int) -> Stored[StaticRecord]:
    record = StaticRecord(
        node="gpu-1", hardware="h", boot="b", journal="j", container="c", pod=Pod(), since=""
    )
    return Stored(KeyValue(f"/railcni/static/backend/{slot:010}", b"", 5, 5, 1), record)


# ── the map ───────────────────────────────────────────────────────────────────────────────────────


def drawn(fabric: Definition, *cells: Cell, resting: frozenset[int] = frozenset()) -> list[str]:
    picture = Picture(fabric, cells, resting, NOBODY)
    return [
        label + " " + "".join(p if isinstance(p, str) else "#" for p in places)
        for label, places in lines(picture)
    ]


def test_an_empty_fabric_is_one_line() -> None:
    assert drawn(fabric()) == ["… 4096 blocks that nobody owns "]


def test_the_last_blocks_of_a_line_and_of_the_fabric() -> None:
    found = drawn(fabric("10.60.0.0/23"), cell(31))
    assert found == ["10.60.0.0 " + "·" * 31 + "#"]
    found = drawn(fabric(), cell(64), cell(4095))
    assert found[0] == "… 64 blocks that nobody owns "
    assert found[1].startswith("10.60.4.0 #·")
    assert found[-1].endswith("#")


def test_what_has_no_room_and_what_rests() -> None:
    (line, *_) = drawn(fabric(static=(Span(32, 47),)), resting=frozenset({16}))
    assert line.startswith("10.60.0.0 ·~ ·")


def test_a_fabric_of_millions_of_blocks_is_drawn_at_once() -> None:
    found = drawn(fabric("fd00:60::/64"), cell(1_000_000))
    assert found[1].startswith("16000000 ") or found[1].startswith("fd00:60::")
    assert [line[0] for line in found] == ["…", found[1][0], "…"]
    assert max(map(len, found)) <= 80


# ── the registry by itself ────────────────────────────────────────────────────────────────────────


def said(
    *blocks: Stored[BlockRecord],
    claims: tuple[Stored[ClaimRecord], ...] = (),
    singles: tuple[Stored[StaticRecord], ...] = (),
    definition: Definition | None = None,
) -> list[str]:
    definitions = {"backend": definition or fabric(static=(Span(256, 511),))}
    return [one.what for one in audit(definitions, blocks, claims, singles, ())]


def test_nothing_is_said_of_what_is_right() -> None:
    claims = claim(17), claim(40, "gpu-2")
    assert said(block(16), block(32, "gpu-2"), claims=claims, singles=(single(300),)) == []


def test_overlapping_blocks() -> None:
    (overlap, shape) = said(block(16, size=32), block(32, "gpu-2"))
    assert "block 16-47 of fabric backend (node gpu-1) overlaps block 32-47" in overlap
    assert "no block of 16 slots" in shape


def test_claims_where_they_do_not_belong() -> None:
    (nobodys, others) = said(block(16, "gpu-2"), claims=(claim(99), claim(17)))
    assert "slot 99" in nobodys
    assert "in a block of node gpu-2" in others


def test_single_addresses_where_they_do_not_belong() -> None:
    (in_block, outside) = said(block(16), singles=(single(20), single(99)))
    assert "lies in block 16-31" in in_block
    assert "outside the static ranges" in outside


def test_a_block_of_no_fabric() -> None:
    (found,) = [one.what for one in audit({}, [block(16)], [], [], [])]
    assert "no definition" in found


# ── what else is decided ──────────────────────────────────────────────────────────────────────────


def test_where_an_address_lies() -> None:
    definition = fabric("10.60.0.0/16", "fd00:60::/64")
    found = locate([definition], ip_address("fd00:60::4d2"))
    assert found
    assert (found[1].name, found[2]) == ("roce-a", 1234)
    assert locate([definition], ip_address("10.61.0.1")) is None


def test_the_blocks_that_lose_slots() -> None:
    before, after = fabric(), fabric(static=(Span(20, 20), Span(40, 70)))
    assert withheld_blocks(before, after) == (Span(16, 79),)
    assert withheld_blocks(before, fabric("10.60.0.0/15")) == ()


def test_a_word_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "no")
    with pytest.raises(RefusedError, match="nothing was changed"):
        confirm("Really?", "gpu-1", yes=False)
    confirm("Really?", "gpu-1", yes=True)


def test_progress_is_for_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with progress("reading") as noted:
        noted(1000)
    assert capfd.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress("reading") as noted:
        noted(1000)
    assert "reading" in capfd.readouterr().err
