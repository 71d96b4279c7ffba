"""The file itself: made whole or not at all, private, never replaced, one writer at a time."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from cni.host.locks import Locks
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Attachment, Pod
from ipam.blocks import Block
from ipam.journal import file as journals
from ipam.journal import schema
from ipam.journal.file import Journal, imagined, open_journal
from ipam.journal.transaction import Claim, Held, Moment, Transaction
from ipam.ranges import Span


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state/ipam/journal.db"


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "state/locks")


def fresh(journal: Journal) -> Span | None:
    with journal.transaction() as tx:
        return tx.pool.fresh_run("f", 0)


def _add_and_fail(tx: Transaction) -> None:
    tx.add_fabric("f")
    tx.blocks.add(Block("f", Span(0, 9)))
    raise LookupError


def _attach_unclaimed(journal: Journal) -> None:
    held = Held(Attachment("n", "c", "net1"), "f", "a", 1, Moment("boot", 1))
    with journal.transaction() as tx:
        tx.attach(held)


def test_it_is_private(file: Path, locks: Locks) -> None:
    with open_journal(file, locks) as journal, journal.transaction() as tx:
        tx.add_fabric("f")
        tx.blocks.add(Block("f", Span(0, 9)))
        beside = sorted(file.parent.iterdir())
        assert [path.name for path in beside] == ["journal.db", "journal.db-shm", "journal.db-wal"]
        assert {stat.S_IMODE(path.stat().st_mode) for path in beside} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (file.parent, file.parents[1])} == {0o700}


def test_a_transaction_is_kept_whole_or_not_at_all(file: Path, locks: Locks) -> None:
    with open_journal(file, locks) as journal:
        with pytest.raises(LookupError), journal.transaction() as tx:
            _add_and_fail(tx)
        assert fresh(journal) is None
        with journal.rehearsal() as tx:
            tx.add_fabric("f")
            tx.blocks.add(Block("f", Span(0, 9)))
            assert tx.pool.fresh_run("f", 0) == Span(0, 9)
        assert fresh(journal) is None
        with journal.transaction() as tx:
            tx.add_fabric("f")
            tx.blocks.add(Block("f", Span(0, 9)))
    with open_journal(file, locks) as journal:
        assert fresh(journal) == Span(0, 9)


def test_nobody_else_gets_in_while_it_is_open(file: Path, locks: Locks) -> None:
    with open_journal(file, locks), pytest.raises(CniError) as caught, locks.journal(0.05):
        pass
    assert caught.value.code == Code.TRY_AGAIN


def test_each_journal_has_its_own_id(tmp_path: Path, locks: Locks) -> None:
    ids = set()
    for name in ("one", "two"):
        with open_journal(tmp_path / name, locks):
            pass
        with sqlite3.connect(tmp_path / name) as connection:
            ids |= set(connection.execute("SELECT value FROM meta WHERE key = 'journal-id'"))
        connection.close()
    assert len(ids) == 2


def test_a_draft_left_by_a_killed_process_is_no_journal(file: Path, locks: Locks) -> None:
    file.parent.mkdir(parents=True)
    for leftover in ("", "-wal", "-journal"):
        file.with_name(f"journal.db.draft{leftover}").write_bytes(b"half")
    with open_journal(file, locks) as journal:
        assert fresh(journal) is None
    assert [path.name for path in file.parent.iterdir()] == ["journal.db"]


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_a_damaged_journal_is_refused_and_kept(file: Path, locks: Locks, content: bytes) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    with pytest.raises(CniError) as caught, open_journal(file, locks):
        pass
    assert caught.value.code == Code.IO_FAILURE
    assert str(file) in caught.value.msg
    assert f"move {file}, {file}-wal and {file}-shm aside" in caught.value.details
    assert file.read_bytes() == content


def test_an_imagined_journal_is_whole_and_nowhere() -> None:
    with imagined() as journal, journal.rehearsal() as tx:
        tx.add_fabric("f")
        tx.blocks.add(Block("f", Span(0, 9)))
        assert tx.pool.fresh_run("f", 0) == Span(0, 9)


def test_a_damaged_journal_moved_aside_makes_room_for_a_new_one(file: Path, locks: Locks) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not a database" * 100)
    file.rename(file.with_name("aside"))
    with open_journal(file, locks) as journal:
        assert fresh(journal) is None


def test_damage_inside_is_reported_where_it_is_met(file: Path, locks: Locks) -> None:
    with open_journal(file, locks) as journal, journal.transaction() as tx:
        tx.add_fabric("f")
        tx.blocks.add(Block("f", Span(0, 9)))
    with file.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * (file.stat().st_size - 4096))
    with pytest.raises(CniError, match="malformed"), open_journal(file, locks) as journal:
        fresh(journal)


def test_a_later_schema_is_refused(file: Path, locks: Locks) -> None:
    with open_journal(file, locks):
        pass
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(CniError, match="schema version 99") as caught, open_journal(file, locks):
        pass
    assert "later railcni" in caught.value.details


def test_a_defect_of_ours_is_not_dressed_up(file: Path, locks: Locks) -> None:
    with pytest.raises(sqlite3.IntegrityError), open_journal(file, locks) as journal:
        _attach_unclaimed(journal)


def test_who_holds_it_without_the_lock_is_waited_for(
    file: Path, locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_journal(file, locks):
        pass
    monkeypatch.setattr(journals, "_BUSY", 0.05)
    person = sqlite3.connect(file, isolation_level=None)
    person.execute("BEGIN IMMEDIATE")
    with pytest.raises(CniError, match="locked") as caught, open_journal(file, locks) as journal:
        fresh(journal)
    assert "fuser" in caught.value.details
    person.close()


def test_one_of_an_earlier_version_is_brought_up_to_date(
    file: Path, locks: Locks, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = schema.SCRIPTS
    monkeypatch.setattr(schema, "SCRIPTS", present[:2])
    monkeypatch.setattr(schema, "VERSION", 2)
    key = Attachment("lan", "c1", "net1")
    with open_journal(file, locks) as journal, journal.transaction() as tx:
        tx.add_fabric("f")
        tx.blocks.add(Block("f", Span(0, 9)))
        tx.claim("f", Claim(4, "c1", Pod(), Moment("boot", 1)))
        tx._execute("INSERT INTO attachments VALUES ('lan', 'c1', 'net1', 'f', 'a', 4, 1)")
    monkeypatch.setattr(schema, "SCRIPTS", present)
    monkeypatch.setattr(schema, "VERSION", len(present))
    with open_journal(file, locks) as journal, journal.transaction() as tx:
        assert tx.held(key) == Held(key, "f", "a", 4, Moment("boot", 1), sandbox=None)
