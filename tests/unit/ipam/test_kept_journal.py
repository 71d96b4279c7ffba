"""A journal that stays open: others come in between, and what is moved away is let go."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from cni.host.locks import Locks
from cni.protocol.errors import CniError, Code
from ipam.journal.file import Journal, KeptJournal, open_journal, put_aside


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state/ipam/journal.db"


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "state/locks")


@pytest.fixture
def kept(file: Path, locks: Locks) -> Iterator[KeptJournal]:
    with closing(KeptJournal(file, locks)) as journal:
        yield journal


def add(journal: Journal, fabric: str) -> None:
    with journal.transaction() as tx:
        tx.add_fabric(fabric)


def fabrics(journal: Journal) -> list[str]:
    with journal.rehearsal() as tx:
        return [name for (name,) in tx._execute("SELECT name FROM fabrics ORDER BY name")]


def test_it_stays_open_and_others_come_in_between(
    file: Path, locks: Locks, kept: KeptJournal
) -> None:
    with kept.open() as journal:
        add(journal, "a")
        connection = kept._connection
    with open_journal(file, locks) as other:
        add(other, "b")
    with kept.open() as journal:
        assert kept._connection is connection
        assert fabrics(journal) == ["a", "b"]


def test_nobody_else_uses_it_at_the_same_time(locks: Locks, kept: KeptJournal) -> None:
    with kept.open(), pytest.raises(CniError) as caught, locks.journal(0.05):
        pass
    assert caught.value.code == Code.TRY_AGAIN
    with locks.journal(0.05):
        pass


def test_any_thread_may_use_it(kept: KeptJournal) -> None:
    def use(name: str) -> None:
        with kept.open() as journal:
            add(journal, name)

    names = [f"thread{number}" for number in range(8)]
    threads = [threading.Thread(target=use, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with kept.open() as journal:
        assert fabrics(journal) == names


def test_one_that_was_moved_away_is_let_go(file: Path, locks: Locks, kept: KeptJournal) -> None:
    with kept.open() as journal:
        add(journal, "before")
    kept.close()
    aside = put_aside(file, locks)
    with kept.open() as journal:
        assert fabrics(journal) == []
    assert file.stat().st_ino != aside.stat().st_ino
    with closing(sqlite3.connect(aside)) as connection:
        assert connection.execute("SELECT name FROM fabrics").fetchall() == [("before",)]


def test_one_that_was_replaced_is_not_written_to(
    file: Path, locks: Locks, kept: KeptJournal
) -> None:
    with kept.open() as journal:
        add(journal, "before")
    file.rename(file.with_name("aside"))
    with open_journal(file, locks) as journal:
        add(journal, "after")
    with kept.open() as journal:
        assert fabrics(journal) == ["after"]


def test_what_another_keeps_open_is_not_put_aside(
    file: Path, locks: Locks, kept: KeptJournal
) -> None:
    with kept.open() as journal:
        add(journal, "a")
    with pytest.raises(CniError, match="locked") as caught:
        put_aside(file, locks)
    assert caught.value.code == Code.IO_FAILURE
    assert "fuser" in caught.value.details
    with kept.open() as journal:
        assert fabrics(journal) == ["a"]


def test_after_an_error_of_the_file_it_is_opened_anew(kept: KeptJournal) -> None:
    with pytest.raises(CniError), kept.open() as journal, journal.transaction() as tx:
        tx._execute("no SQL")
    assert kept._connection is None
    with kept.open() as journal:
        assert fabrics(journal) == []
