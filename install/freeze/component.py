"""One part of a bundle, as its package describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

DOCUMENTATION = Path("/usr/share/doc")
"""Where a distribution has its packages' licences."""
OURS = "railcni"
IN_ITS_TEXT = "in its text"
"""The licence of what states none but in words."""


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """Something in the bundle that has a licence of its own."""

    name: str
    version: str
    licence: str
    """What its package states."""
    is_expression: bool
    """Whether that is an SPDX expression."""
    texts: tuple[Path, ...]
    """Of its licence."""
    purl: str
    """Where it is from; see `package_url`."""
    places: tuple[str, ...] = ()
    """What of the bundle is from it: shared libraries one by one, else top-level Python modules."""


def package_url(kind: str, name: str, version: str, qualifiers: str = "") -> str:
    """Return a name that scanners know a package by (https://github.com/package-url/purl-spec)."""
    return f"pkg:{kind}/{quote(name)}@{quote(version, safe='')}{qualifiers}"
