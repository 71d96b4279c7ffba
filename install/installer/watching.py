"""Whether anything has changed that concerns us: a cheap look, many times a minute.

It is a look and no inotify: links, mounts and folders come and go with their inodes, a bind mount
does not tell of changes that were made by another path on every file system, and a look misses
nothing that stays changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

Signature: TypeAlias = tuple[tuple[str, int, int, int, int], ...]
"""Path, inode, mode, size and time of the last change of each thing that is there."""


def signature(files: Iterable[Path], folders: Iterable[Path]) -> Signature:
    """Return what is another value as soon as one of these changes, or what is in a folder does.

    Args:
        files: links are not followed.
        folders: with what is in them; the links in them are followed as well, since a mounted
            ConfigMap's are.
    """
    return tuple(_stamps([*files, *folders, *_inside(folders)]))


def _inside(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))  # noqa: PTH208 - names, of which each is looked at
        except OSError:
            continue
        for name in names:
            yield folder / name
            if (folder / name).is_symlink():
                yield (folder / name).resolve()


def _stamps(paths: Iterable[Path]) -> Iterator[tuple[str, int, int, int, int]]:
    for path in paths:
        try:
            found = path.lstat()
        except OSError:
            continue
        yield str(path), found.st_ino, found.st_mode, found.st_size, found.st_ctime_ns
