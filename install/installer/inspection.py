"""Whether the files of a version are what they should be, without reading them again and again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from install.bundle import manifest
from install.installer.layout import EXECUTABLE, MANIFEST

Stamp: TypeAlias = tuple[int, int, int, int]
"""Inode, size, mode and time of the last change: what another program's writing changes."""

_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


class Inspection:
    """Remembers which files were right, by what the kernel tells of them.

    A file is read again when that is not as it was, or everything is to be.
    """

    def __init__(self) -> None:
        self._right: dict[Path, tuple[Stamp, str]] = {}

    def forget(self) -> None:
        """Read everything at the next look: a disk may have lost what nobody wrote."""
        self._right.clear()

    def damaged(self, folder: Path, expected: Mapping[str, str] | None) -> tuple[str, ...]:
        """Return the files of a version that are missing or not what they should be.

        Args:
            folder: the version's.
            expected: the digests of the bundle that it is a copy of; None: its own MANIFEST is all
                that is known of it.

        Raises:
            OSError: a file cannot be read.
        """
        try:
            stated = manifest.read(folder)
        except manifest.ManifestError:
            stated = None
        if expected is not None:
            # The executable was changed on its way; what it became, only the copy's MANIFEST says.
            wanted = {**expected, EXECUTABLE: stated[EXECUTABLE] if stated else ""}
        elif stated is None:
            return (MANIFEST,)
        else:
            wanted = dict(stated)
        astray = {name for name in _folders(wanted) if not _is_roots_folder(folder / name)}
        wrong = [
            name for name, digest in wanted.items()
            if not astray.isdisjoint(_above(name)) or not self._is(folder / name, digest)
        ]  # fmt: skip
        if stated != wanted:
            wrong.append(MANIFEST)
        return tuple(sorted(wrong))

    def _is(self, file: Path, digest: str) -> bool:
        try:
            stamp = _stamp(file)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if stamp is None:
            return False
        if self._right.get(file) == (stamp, digest):
            return True
        if manifest.digest(file) != digest:
            return False
        self._right[file] = stamp, digest
        return True


def _above(name: str) -> list[str]:
    """Return the folders that a file is in: the version's own, and those in it."""
    return [str(each) for each in PurePosixPath(name).parents]


def _folders(names: Iterable[str]) -> set[str]:
    return {folder for name in names for folder in _above(name)}


def _is_roots_folder(folder: Path) -> bool:
    """Tell whether a folder is one, no link to one, and root alone writes it."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and _is_roots(status)


def _is_roots(status: os.stat_result) -> bool:
    return status.st_uid == 0 and not status.st_mode & _WRITABLE_BY_OTHERS


def _stamp(file: Path) -> Stamp | None:
    """Return a file's stamp; None for what not all may read, or others than root write."""
    status = file.lstat()
    is_readable = stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IROTH
    is_run = file.name != EXECUTABLE or status.st_mode & stat.S_IXUSR
    if not (is_readable and _is_roots(status) and is_run):
        return None
    return status.st_ino, status.st_size, status.st_mode, status.st_ctime_ns
