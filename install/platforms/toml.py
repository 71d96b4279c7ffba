"""Runtimes' settings in TOML: one document of many files.  Pure."""

from __future__ import annotations

import fnmatch
import posixpath
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from install.platforms.platform import OVERRIDE, Files, PlatformError

Table = Mapping[str, Any]
_MOST = 200
"""Files that may be imported; more is a mistake."""


def read(files: Files, path: PurePosixPath) -> Table | None:
    """Return one file's document; None where there is no file.

    Raises:
        PlatformError: it is no TOML.
    """
    text = files.text(path)
    if text is None:
        return None
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PlatformError(f"{path} is no TOML ({error}): mend it, or {OVERRIDE}") from None


def with_imports(files: Files, path: PurePosixPath) -> Table | None:
    """Return a file's document with its `imports` laid over it, as containerd does.

    Imports are read in the order in which they are met, each file once; a later one wins.  (2.x
    merges tables; 1.x replaced a plugin's whole table, which only a node whose network does not
    work would show.)  Source: containerd, cmd/containerd/server/config.

    Raises:
        PlatformError: one of the files is no TOML, or cannot be read.
    """
    merged: Table | None = None
    waiting, seen = [path], set[PurePosixPath]()
    while waiting:
        one = waiting.pop(0)
        if one in seen:
            continue
        seen.add(one)
        if len(seen) > _MOST:
            raise PlatformError(f"{path} imports more than {_MOST} files: {OVERRIDE}")
        document = read(files, one)
        if document is not None:
            merged = over(merged or {}, document)
            waiting += _imported(files, one, document.get("imports"))
    return merged


def _imported(files: Files, parent: PurePosixPath, patterns: object) -> Iterable[PurePosixPath]:
    for pattern in patterns if isinstance(patterns, list) else []:
        if not isinstance(pattern, str):
            continue
        path = PurePosixPath(posixpath.normpath(parent.parent / pattern))
        if "*" not in path.name:
            yield path
            continue
        for name in files.names(path.parent):
            if fnmatch.fnmatchcase(name, path.name):
                yield path.parent / name


def over(below: Table, above: Table) -> dict[str, Any]:
    """Return one document laid over another: tables are merged, everything else replaced."""
    merged = dict(below)
    for key, value in above.items():
        before = merged.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            merged[key] = over(before, value)
        else:
            merged[key] = value
    return merged


def get(document: Table, *keys: str) -> Any:
    """Return what stands under keys of nested tables, None where nothing does."""
    found: Any = document
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found
