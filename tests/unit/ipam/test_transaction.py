"""The tables keep what a defect above them would break; free runs are split and mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from cni.protocol.request import Attachment, Pod
from ipam.blocks import Block
from ipam.journal import schema
from ipam.journal.transaction import Claim, Held, Moment, Transaction
from ipam.ranges import Span

NOW = Moment("boot", 5)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(schema.script(0))
        yield connection


@pytest.fixture
def tx(connection: sqlite3.Connection) -> Transaction:
    tx = Transaction(connection)
    tx.add_fabric("f")
    tx.blocks.add(Block("f", Span(0, 9)))
    return tx


def held(slot: int, ifname: str = "net1", rail: str = "a") -> Held:
    return Held(Attachment("lan", "c", ifname), "f", rail, slot, NOW)


def hold(tx: Transaction, slot: int) -> None:
    tx.claim("f", Claim(slot, "c", Pod("ml", "rank-0", "u"), NOW))
    tx.attach(held(slot, f"net{slot}"))


def runs(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    return connection.execute("SELECT first, last FROM fresh ORDER BY first").fetchall()


def test_a_slot_has_one_claim(tx: Transaction) -> None:
    hold(tx, 4)
    with pytest.raises(LookupError, match="slot 4 of fabric f is not free"):
        hold(tx, 4)
    with pytest.raises(LookupError, match="slot 10"):
        hold(tx, 10)


def test_a_slot_has_one_attachment_per_rail_and_none_without_a_claim(tx: Transaction) -> None:
    hold(tx, 4)
    tx.attach(held(4, "net9", rail="b"))
    with pytest.raises(sqlite3.IntegrityError):
        tx.attach(held(4, "net8", rail="b"))
    with pytest.raises(sqlite3.IntegrityError):
        tx.attach(held(5, "net7"))


def test_claims_split_runs_and_waking_mends_them(
    tx: Transaction, connection: sqlite3.Connection
) -> None:
    for slot in (0, 4, 5, 9):
        hold(tx, slot)
    assert runs(connection) == [(1, 3), (6, 8)]
    for slot in (9, 0, 4, 5):
        tx.detach(held(slot, f"net{slot}"), NOW)
    assert [freed.slot for freed in tx.pool.freed("f")] == [9, 0, 4, 5]
    after = []
    for slot in (0, 9, 4, 5):
        tx.pool.wake("f", slot)
        after.append(runs(connection))
    assert after == [[(0, 3), (6, 8)], [(0, 3), (6, 9)], [(0, 4), (6, 9)], [(0, 9)]]
    assert list(tx.pool.freed("f")) == []


def test_a_fabric_is_added_once(tx: Transaction, connection: sqlite3.Connection) -> None:
    hold(tx, 0)
    tx.add_fabric("f")
    assert runs(connection) == [(1, 9)]


def test_who_holds_a_slot(tx: Transaction) -> None:
    assert tx.holder("f", 4) is None
    hold(tx, 4)
    assert str(tx.holder("f", 4)) == "container c (ml/rank-0)"
    assert tx.count_held("f") == 1
