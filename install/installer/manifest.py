"""What a bundle consists of: the digest of each of its files, as MANIFEST has them.

The form is that of `sha256sum`, so that a person can check a bundle with nothing of ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from install.installer.errors import InstallError
from install.installer.layout import EXECUTABLE, MANIFEST

_LINE = re.compile(r"(?P<digest>[0-9a-f]{64}) [ *](?P<name>.+)")

Digests = Mapping[str, str]
"""SHA-256 in hexadecimal by the path in the bundle."""


def read(bundle: Path) -> Digests:
    """Return what a bundle's MANIFEST says.

    Raises:
        InstallError: there is none, or it is malformed: it is no whole bundle.
    """
    file = bundle / MANIFEST
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InstallError(f"{file} cannot be read: {_reason(error)}; expected a bundle") from None
    return parse(text, str(file))


def parse(text: str, file: str) -> Digests:
    """Return what the text of a MANIFEST says (InstallError, naming the line)."""
    digests: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(line)
        if not match or not _stays_inside(match["name"]):
            raise InstallError(f"{file}:{number}: {line!r}, expected a SHA-256 and a path below it")
        digests[match["name"].removeprefix("./")] = match["digest"]
    if EXECUTABLE not in digests:
        raise InstallError(f"{file} does not list {EXECUTABLE}: it is not whole")
    return digests


def encode(digests: Digests) -> bytes:
    """Return the content of a MANIFEST."""
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def digest_of(file: Path) -> str:
    """Return a file's digest (OSError)."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _stays_inside(name: str) -> bool:
    path = Path(name)
    return not path.is_absolute() and ".." not in path.parts and path.parts != ()


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8"
