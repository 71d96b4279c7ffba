"""Archives on their way: staged beside the folder of images, and renamed into it.

K3s imports what appears in the folder, and must never meet half a file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_STAGE = ".railcni-preload"
"""Not `images…`: K3s looks at whatever has a path with that in it."""
_LOCK = "lock"
_SUFFIXES = (".tar", ".tar.gz", ".tgz")
"""Of the files that K3s imports, those that are accepted here."""
_MODE = 0o600


class PlacingError(Exception):
    """A file cannot be brought to its place; the message says why, and what to do."""


@contextmanager
def stage(beside: Path) -> Iterator[Path]:
    """Have a folder for files on their way, empty, and for this process alone.

    Args:
        beside: where they will go; on the same file system.

    Raises:
        PlacingError: another process has it, or the two are not on one file system.
        OSError: it cannot be made.
    """
    folder = beside.parent / _STAGE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / _LOCK).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PlacingError(f"another railctl preload is at work in {folder}: wait") from None
        if beside.exists() and beside.stat().st_dev != folder.stat().st_dev:
            raise PlacingError(
                f"{beside} is a file system of its own, and files must get there by rename: mount "
                f"it at {beside.parent} instead"
            )
        _clear(folder)
        try:
            yield folder
        finally:
            _clear(folder)


def _clear(folder: Path) -> None:
    """Remove what a process that was killed, or this one, has left."""
    for file in folder.iterdir():
        if file.name != _LOCK:
            file.unlink()


def copy(stream: BinaryIO, file: Path) -> None:
    """Write what a stream has to a new file, and to the disk.

    Raises:
        OSError: the disk is full, or the like; the file is gone then.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
        with os.fdopen(descriptor, "wb") as out:
            shutil.copyfileobj(stream, out, 1 << 20)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        file.unlink(missing_ok=True)
        error.filename = str(file)
        raise


def has(final: Path, stream: BinaryIO) -> bool:
    """Tell whether a file is there and has what a stream has."""
    if final.is_symlink() or not final.is_file():
        return False
    with final.open("rb") as there:
        if os.fstat(there.fileno()).st_size != os.fstat(stream.fileno()).st_size:
            return False
        stream.seek(0)
        return _digest(there) == _digest(stream)


def place(staged: Path, final: Path) -> None:
    """Rename a staged file to its place, for good.

    Raises:
        OSError: the folder cannot be written.
    """
    final.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    staged.rename(final)
    descriptor = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def name_for(given: str, image: str) -> str:
    """Return what an archive is to be called in the folder of images.

    Args:
        given: the file's own name; empty where it has none.
        image: the first image's.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", given or image).lstrip(".")
    return name if name.endswith(_SUFFIXES) else f"{name}.tar"


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
