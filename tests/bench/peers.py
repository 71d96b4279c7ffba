"""The plugins of the CNI project: Debian's, and where there is Go, the newest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.bench.caller import ROOT, THEIRS

_INSTALLED = ROOT / ".cache/peers"
"""By `make peers`: one folder, with the version for its name."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of them."""

    version: str
    folder: Path

    @property
    def pair(self) -> str:
        """What attaches a device with an address."""
        return f"host-device + host-local {self.version}"


DEBIANS = Release("v1.1.1", THEIRS)


def newest() -> Release | None:
    """Return the newest release, None when there is none on this machine."""
    found = sorted(_INSTALLED.glob("v*/host-device"))
    return Release(found[-1].parent.name, found[-1].parent) if found else None
