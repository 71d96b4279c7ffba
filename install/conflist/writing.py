"""A folder of networks on the disk: what is in it, and how it is changed.

A file is written beside its place, synced and renamed into it: a runtime that reads the folder at
any time meets the old content or the new.  Links are followed for reading, as runtimes do, and
never for writing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from cni.delegate.network import FILES
from install.conflist.document import ConflistError
from install.conflist.folder import COPY, KEPT, Change, Files
from install.conflist.ways import Plan

_WANTED = (*FILES, COPY, KEPT)
_DROPPED_IN = ".conf"
_MODE = 0o644
"""The most that a new file is given."""
_FOLDER_MODE = 0o755


def read_folder(folder: Path) -> Files:
    """Return the files of a folder that mean something to runtimes or to us.

    Raises:
        ConflistError: the folder or one of them cannot be read.
    """
    with _explained(folder):
        names, folders = _listed(folder)
        wanted = [name for name in names if name.endswith(_WANTED)]
        for each in folders:
            dropped_in, _ = _listed(folder / each)
            wanted += [f"{each}/{name}" for name in dropped_in if name.endswith(_DROPPED_IN)]
    return {name: _read(folder / name) for name in wanted}


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of a folder's files and of its folders, links among the files."""
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    return files, folders


def write(folder: Path, plan: Plan) -> None:
    """Carry a plan out.

    Raises:
        ConflistError: a file is not as it was when the plan was made, is a link, or was changed by
            somebody else at the same time; what was changed until then is whole.
    """
    for change in plan.changes:
        _check(folder, change)
    for change in plan.changes:
        _check(folder, change)
        with _explained(folder / change.name), _opened(folder, change) as parent:
            if change.after is None:
                os.unlink(PurePosixPath(change.name).name, dir_fd=parent)
            else:
                _replace(parent, change, _mode(folder, change.name, plan.like))
            os.fsync(parent)
        _remove_if_empty(folder, change)
    for change in plan.changes:
        _check(folder, Change(change.name, change.after, None))


def _read(file: Path) -> bytes:
    with _explained(file):
        descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ConflistError(f"{file} is no file")
            return stream.read()


def _check(folder: Path, change: Change) -> None:
    """Raise unless a file is what a change begins with, and no link."""
    file = folder / change.name
    if file.is_symlink() or (file.parent.is_symlink() and file.parent != folder):
        raise ConflistError(f"{file} is a link, expected a file: change what it leads to")
    now = _read(file) if file.exists() else None
    if now != change.before:
        raise ConflistError(f"{file} was changed meanwhile by another program: run this again")


@contextmanager
def _opened(folder: Path, change: Change) -> Iterator[int]:
    """Open the folder of a file; one within the folder is made, and is no link."""
    parent = folder / PurePosixPath(change.name).parent
    nofollow = 0
    if parent != folder:
        nofollow = os.O_NOFOLLOW
        if change.after is not None:
            parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | nofollow)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(parent: int, change: Change, mode: int) -> None:
    name = PurePosixPath(change.name).name
    draft = f".{name}.draft"  # no runtime reads a file of this name
    with suppress(FileNotFoundError):
        os.unlink(draft, dir_fd=parent)  # of a writer that was killed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o600, dir_fd=parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(change.after or b"")
            stream.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=parent)
        raise


def _mode(folder: Path, name: str, like: str) -> int:
    """Return the mode of a file that is there, else what a new one has of its model's."""
    if (folder / name).is_file():
        return stat.S_IMODE((folder / name).stat().st_mode)
    model = folder / like
    return model.stat().st_mode & _MODE if model.is_file() else _MODE


def _remove_if_empty(folder: Path, change: Change) -> None:
    parent = folder / PurePosixPath(change.name).parent
    if change.after is None and parent != folder:
        with suppress(OSError):  # somebody else's file is in it
            parent.rmdir()


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConflistError(f"{file}: {error.strerror}") from error
