"""Where what is installed stands in a CNI bin folder, and which versions of it are kept.

Paths here are the node's own (`Root` says where they are seen from a container).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from install import bundle
from install.bundle import manifest

EXECUTABLE = str(bundle.EXECUTABLE)
HOME = "railcni.d"
LINKED = ("rail-sriov", "rail-ipam", "rail-hostgw", "rail-agent", "railctl", "rail-install")
"""The programs that a runtime, a service manager or a person calls by name."""
MANIFEST = manifest.NAME
DRAFT = ".draft"
"""What the name of a folder ends in while it is being written, or removed."""

_NAME = re.compile(r"[0-9A-Za-z.+]+-[0-9a-f]{16}")
KEPT = 2
"""Former versions that are kept to go back to."""
_KEPT_UNSEEN = 5
"""Those that are kept where nobody can tell which of them processes run from."""


@dataclass(frozen=True, slots=True)
class Version:
    """One bundle: railcni's version, and the build that tells it from others of that version."""

    version: str
    build: str

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.version}-{self.build}"


def is_version(name: str) -> bool:
    """Tell whether a folder's name is a version's."""
    return bool(_NAME.fullmatch(name))


@dataclass(frozen=True, slots=True)
class Layout:
    """What we have in one CNI bin folder.

    Args:
        bin: the folder, absolute, on the node.
    """

    bin: PurePosixPath

    @property
    def home(self) -> PurePosixPath:
        """The folder that all of it is in, but for the programs' links."""
        return self.bin / HOME

    @property
    def versions(self) -> PurePosixPath:
        """The folder of versions."""
        return self.home / "versions"

    def version(self, name: str) -> PurePosixPath:
        """Return a version's folder."""
        return self.versions / name

    @property
    def current(self) -> PurePosixPath:
        """The link to the version that new processes run from."""
        return self.home / "current"

    def current_target(self, name: str) -> str:
        """Return what `current` is to lead to."""
        return f"versions/{name}"

    def version_of(self, target: str) -> str:
        """Return the version that a target of `current` names; empty for what is none of ours."""
        folder, _, name = target.rpartition("/")
        return name if folder == "versions" and is_version(name) else ""

    @property
    def links(self) -> dict[PurePosixPath, str]:
        """The links that never change, with their targets, in the order in which they are made."""
        programs = {self.bin / name: f"{HOME}/current/{EXECUTABLE}" for name in LINKED}
        return {self.home / EXECUTABLE: f"current/{EXECUTABLE}", **programs}


def leads_to_a_bundle(target: str) -> bool:
    """Tell whether a program's link is one to a bundle of ours, wherever somebody has put it."""
    return PurePosixPath(target).name == EXECUTABLE


def superseded(
    present: Collection[str],
    history: Sequence[str],
    wanted: str,
    used: Collection[str] | None,
) -> list[str]:
    """Return the versions that nobody needs any more.

    Args:
        present: all that are there.
        history: those that have been current, the latest last; some may be gone.
        wanted: the one that is, or is to be, current.
        used: those that processes run from; None where that cannot be seen.
    """
    former = [name for name in reversed(history) if name in present and name != wanted]
    kept = former[: _KEPT_UNSEEN if used is None else KEPT]
    return sorted(set(present) - {wanted, *kept, *(used or ())})


def previous(present: Collection[str], history: Sequence[str], current: str) -> str | None:
    """Return the version to go back to: the last other one that is still there."""
    return next((n for n in reversed(history) if n in present and n != current), None)


BY_HAND = "copied by hand"
"""Instead of a version's name: what `cp -r dist/railcni /opt/cni/bin/railcni.d` has made."""
OF_A_COPY = ("_internal", "licenses", MANIFEST, "sbom.cdx.json")
"""What there is of it, besides the executable."""


def of_process(executable: str, layout: Layout) -> str:
    """Return the version that a process runs from, by `/proc/PID/exe`; empty for no version."""
    path = Path(executable.removesuffix(" (deleted)"))
    if path.parts[-2:] == (HOME, EXECUTABLE):
        return BY_HAND
    name = path.parent.name
    ours = path.parent.parent.parts[-2:] == layout.versions.parts[-2:]
    return name if ours and is_version(name) else ""
