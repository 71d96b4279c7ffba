"""What an image is called, and what its labels say."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cni
from deploy.image.errors import ImageError

REPOSITORY = "ghcr.io/railcni/railcni"
LICENCES = "Apache-2.0 AND GPL-3.0-only"
"""railcni's own, and that of `netns`: see docs/adr/0006-the-licence-of-netns.md.  What else is in
the bundle asks for no more than its licences' texts, which it has."""
SOURCE = "https://github.com/railcni/railcni"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""Go's names, which OCI uses, by the kernel's."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which sources an image is made of, and for what machine.

    Args:
        version: of railcni.
        architecture: as OCI names it.
        revision: the commit; empty where there is no repository.
        epoch: seconds since 1970; the time of everything in the image.
    """

    version: str
    architecture: str
    revision: str
    epoch: int

    @property
    def reference(self) -> str:
        """The one pinned name that the manifests use."""
        return f"{REPOSITORY}:{self.version}"

    @property
    def stem(self) -> str:
        """What the names of the built files begin with."""
        return f"railcni-{self.version}-{self.architecture}"

    @property
    def labels(self) -> dict[str, str]:
        """OCI's own annotation keys (image-spec, annotations.md); of a base there is none."""
        labels = {
            "title": "railcni",
            "description": "CNI plugins and address management for the rails of GPU clusters",
            "version": self.version,
            "licenses": LICENCES,
            "source": SOURCE,
            "revision": self.revision,
        }
        return {f"org.opencontainers.image.{key}": value for key, value in labels.items() if value}


def identify(repository: Path, environ: Mapping[str, str] = os.environ) -> Identity:
    """Return what this machine builds of a repository.

    Args:
        repository: its working tree; what has not been committed shows in the revision.
        environ: SOURCE_DATE_EPOCH takes the place of the commit's time
            (https://reproducible-builds.org/specs/source-date-epoch/).

    Raises:
        ImageError: the machine's architecture is none that the bundle is built for.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise ImageError(f"this machine is a {machine}: build on one of {known}")
    revision = _git(repository, "rev-parse", "HEAD")
    changed = "-changed" if revision and _git(repository, "status", "--porcelain") else ""
    told = environ.get("SOURCE_DATE_EPOCH") or _git(repository, "log", "-1", "--format=%ct") or "0"
    if not told.isdecimal():
        raise ImageError(f"SOURCE_DATE_EPOCH is {told!r}: expected seconds since 1970")
    return Identity(cni.__version__, _ARCHITECTURES[machine], revision + changed, int(told))


def _git(repository: Path, *words: str) -> str:
    """Return what git says; nothing where there is no git or no repository."""
    command = ["git", "-C", str(repository), *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return "" if done.returncode else done.stdout.strip()
