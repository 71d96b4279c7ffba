"""The list of what a bundle consists of, so that a copy is known to be whole.

`MANIFEST` is in the bundle's folder and has a line for each file: its SHA-256 and its path, as
`sha256sum` writes and checks them (`sha256sum --check MANIFEST`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from hashlib import file_digest
from pathlib import Path

from cni.host.paths import write_atomically

NAME = "MANIFEST"
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


class ManifestError(Exception):
    """A bundle has no list of its files that could be read, or something that none can hold."""


def write(bundle: Path) -> None:
    """List the files of a bundle.

    Raises:
        ManifestError: it holds something besides files and folders, or a name of several lines.
        OSError: a file cannot be read, or the list not be written.
    """
    digests = {name: digest(bundle / name) for name in _files(bundle)}
    write_atomically(bundle / NAME, encode(digests), 0o644)


def encode(digests: Mapping[str, str]) -> bytes:
    """Return the content of a list."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def differences(bundle: Path) -> list[str]:
    """Return what is not as its list says, one sentence each: nothing, if the bundle is whole.

    Raises:
        ManifestError: there is no list, or it cannot be read.
        OSError: a folder cannot be read.
    """
    listed = read(bundle)
    found = set(_files(bundle))
    told = [f"{name} is missing" for name in sorted(listed.keys() - found)]
    told += [f"{name} does not belong there" for name in sorted(found - listed.keys())]
    for name in sorted(listed.keys() & found):
        try:
            now = digest(bundle / name)
        except OSError as error:
            told.append(f"{name} cannot be read: {error.strerror}")
            continue
        if now != listed[name]:
            told.append(f"{name} has changed")
    return told


def read(bundle: Path) -> dict[str, str]:
    """Return the digest of each file that a bundle is to have (ManifestError)."""
    path = bundle / NAME
    try:
        lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        raise ManifestError(f"{path} is missing: {path.parent} is no whole bundle") from None
    except OSError as error:
        raise ManifestError(f"{path} cannot be read: {error.strerror}") from error
    listed: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        matched = _LINE.fullmatch(line)
        if matched is None:
            raise ManifestError(f"{path}, line {number}: expected a SHA-256, two spaces, a path")
        listed[matched[2]] = matched[1]
    return listed


def _files(bundle: Path) -> Iterator[str]:
    """Yield the paths of a bundle's files but for its list, relative to its folder."""
    for folder, folders, files in os.walk(bundle, onerror=_fail):
        for name in (*folders, *files):
            path = Path(folder, name)
            relative = str(path.relative_to(bundle))
            if path.is_symlink() or not (path.is_dir() or path.is_file()) or "\n" in name:
                raise ManifestError(f"{bundle} holds {relative!r}, which is no file of a bundle")
            if name in files and relative != NAME:
                yield relative


def _fail(error: OSError) -> None:
    raise error


def digest(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal (OSError)."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
