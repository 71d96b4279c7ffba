"""The bundle that this program is part of: what an installer brings along."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cni
from cni.build import BUILD
from install.bundle import manifest
from install.installer.errors import InstallError
from install.installer.layout import Version


@dataclass(frozen=True, slots=True)
class Source:
    """A whole bundle.

    Args:
        folder: where it is.
        version: which it is.
        digests: of its files.
    """

    folder: Path
    version: Version
    digests: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of its folder on a node."""
        return self.version.name


def of_this_program() -> Source:
    """Return the bundle that runs (InstallError: nothing is frozen here, or it is not whole)."""
    if not hasattr(sys, "frozen"):
        raise InstallError(
            "this runs from Python sources, and only a frozen bundle can be installed: "
            "make build, then dist/bin/rail-install"
        )
    folder = Path(sys.executable).resolve().parent
    version = Version(cni.__version__, BUILD.decode())
    try:
        return Source(folder, version, manifest.read(folder))
    except manifest.ManifestError as error:
        raise InstallError(str(error)) from None
