"""The node's record of who holds which slot: one SQLite file, opened only through SQLite."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from cni.host.locks import Locks
from cni.host.paths import private_folder
from cni.protocol.errors import CniError, Code
from ipam.journal import schema
from ipam.journal.transaction import Transaction

_BUSY = 10.0
"""Seconds to wait for who opens the journal without its lock: a person with sqlite3."""

_RESCUE = (
    "when no pod uses rails on this node (railctl attachments), move FILE, FILE-wal and FILE-shm "
    "aside, and the next ADD makes a new one; while one does, its address would be given out again"
)
_ADVICE = {
    "SQLITE_CORRUPT": _RESCUE,
    "SQLITE_NOTADB": _RESCUE,
    "SQLITE_FULL": "make room on its file system",
    "SQLITE_IOERR_SHM": "make room on its file system",
    "SQLITE_READONLY": "its file system or its permissions let nobody write",
    "SQLITE_CANTOPEN": "see that its folder exists, is root's and lies on a local file system",
    "SQLITE_IOERR": "see the kernel's log for errors of the disk under it",
    "SQLITE_BUSY": "somebody else keeps it open for writing: fuser -v FILE",
}


class Journal:
    """The open journal; nobody else changes it until it is closed."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @contextmanager
    def transaction(self, *, synced: bool = False) -> Iterator[Transaction]:
        """Keep everything that the block changes, or nothing when it raises or the process dies.

        A killed process loses nothing that was kept.  A power failure may lose the last claims, and
        it has ended their containers.

        Args:
            synced: have it on the disk when the block ends, also for a power failure: what a
                request to the registry relies on.
        """
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
        with self.rehearsal() as tx:
            yield tx
            self._connection.execute("COMMIT")

    @contextmanager
    def rehearsal(self) -> Iterator[Transaction]:
        """Keep nothing of what the block changes: to learn whether it would work."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield Transaction(self._connection)
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")


@contextmanager
def open_journal(file: Path, locks: Locks) -> Iterator[Journal]:
    """Open the journal, making it when there is none, and hold its lock.

    Args:
        file: where it is.
        locks: the node's lock files.

    Raises:
        CniError: code 5, when it cannot be read or written, is damaged, or a later version of
            railcni wrote it; 11, when the lock is not to be had.
    """
    with locks.journal(), _explained(file):
        if not file.exists():
            _create(file)
        with closing(_connect(file)) as connection:
            _bring_up_to_date(file, connection)
            yield Journal(connection)


class KeptJournal:
    """A journal that stays open between its uses, for a process that serves many requests.

    Opening it is most of what a transaction costs.  Its lock is held during a use only, so that
    other processes come in between.

    Args:
        file: where it is.
        locks: the node's lock files.
    """

    def __init__(self, file: Path, locks: Locks) -> None:
        self._file = file
        self._locks = locks
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    @contextmanager
    def open(self) -> Iterator[Journal]:
        """Use it as `open_journal` does; after an error it is opened anew."""
        with self._locks.journal(), _explained(self._file):
            try:
                connection = self._connected()
                _bring_up_to_date(self._file, connection)
                yield Journal(connection)
            except sqlite3.Error:
                self.close()
                raise

    def close(self) -> None:
        """Close it; the next use opens it again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> sqlite3.Connection:
        if not self._file.exists():
            self.close()
            _create(self._file)
        status = self._file.stat()
        identity = (status.st_dev, status.st_ino)
        if identity != self._identity:
            self.close()  # somebody has moved it aside
        if self._connection is None:
            self._connection = _connect(self._file)
            self._identity = identity
        return self._connection


def _create(file: Path) -> None:
    """Make an empty journal under another name and rename it when it is whole.

    So a journal that is empty or half made is never taken for a new one: it is a damaged one.
    """
    private_folder(file.parent)
    draft = file.with_name(f"{file.name}.draft")
    for leftover in ("", "-journal", "-wal", "-shm"):
        draft.with_name(draft.name + leftover).unlink(missing_ok=True)
    # SQLite gives -wal and -shm the permissions that it finds on the file itself.
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(_connect(draft)) as connection:
        _make_tables(connection)
        connection.execute("PRAGMA journal_mode = WAL")
    # SQLite would play what one has left that was moved away into the new one.
    for leftover in ("-wal", "-shm"):
        file.with_name(file.name + leftover).unlink(missing_ok=True)
    draft.rename(file)


def put_aside(file: Path, locks: Locks, let_go: Callable[[], None] = lambda: None) -> Path:
    """Move a journal where nobody finds it, and keep it; return where.

    Args:
        file: where it is.
        locks: the node's lock files.
        let_go: closes what this process keeps open of it; no thread can open it again meanwhile.

    Raises:
        CniError: code 5, when another process keeps it open: it would write into the next one.
        OSError: it cannot be moved.
    """
    with locks.journal(), _explained(file):
        let_go()
        # Only who has it alone can end its write-ahead log.
        with closing(_connect(file)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        aside = file.with_name(f"{file.name}.aside-{time.strftime('%Y%m%dT%H%M%S')}")
        for part in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                file.with_name(file.name + part).rename(aside.with_name(aside.name + part))
        return aside


@contextmanager
def imagined() -> Iterator[Journal]:
    """Open an empty journal that is nowhere, to learn what would happen on a new node."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        _make_tables(connection)
        yield Journal(connection)


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.executescript(schema.script(0))
    connection.execute("INSERT INTO meta VALUES ('journal-id', ?)", (secrets.token_hex(16),))


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=_BUSY,
        check_same_thread=False,  # the lock lets one at a time use it
    )
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _bring_up_to_date(file: Path, connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:
        raise CniError(
            Code.IO_FAILURE,
            f"{file} is no journal of railcni: empty, or somebody else's",
            _RESCUE.replace("FILE", str(file)),
        )
    if version < schema.VERSION:
        connection.executescript(schema.script(version))
    if version > schema.VERSION:
        raise CniError(
            Code.IO_FAILURE,
            f"{file} has schema version {version}, this railcni reads up to {schema.VERSION}",
            "a later railcni has used this node: install that one again",
        )


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # a defect of ours, and what prevents a double address when there is one
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        advice = next((text for key, text in _ADVICE.items() if name.startswith(key)), "")
        raise CniError(
            Code.IO_FAILURE, f"{file}: {error}", advice.replace("FILE", str(file))
        ) from error
