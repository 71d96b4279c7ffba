"""From the frozen bundle to the archive."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from cni import programs
from cni.host.paths import write_atomically
from deploy.image import archive
from deploy.image.buildah import Buildah
from deploy.image.errors import ImageError
from deploy.image.identity import Identity
from deploy.image.root import lay_out
from install.bundle import EXECUTABLE
from install.freeze import sbom


@dataclass(frozen=True, slots=True)
class Built:
    """What was made."""

    archive: Path
    """For a node without a registry: `ctr images import`, or K3s's folder of images."""
    materials: Path
    """What it is made of, in CycloneDX; the same is in the image."""
    digest: str
    """Of the image's manifest: the same for the same sources."""


def build(bundle: Path, identity: Identity, folder: Path) -> Built:
    """Make the image of a bundle.

    Args:
        bundle: `dist/railcni`.
        identity: what it is called.
        folder: where the archive and its bill of materials are put.

    Raises:
        ImageError: what is missing, and what to do.
    """
    if not (bundle / EXECUTABLE).exists():
        raise ImageError(f"{bundle} has no bundle: make build")
    with tempfile.TemporaryDirectory(prefix="railcni-image-") as place:
        root, draft = Path(place) / "root", Path(place) / "draft.tar"
        lay_out(root, bundle, sorted(programs.PLUGINS | programs.COMMANDS))
        Buildah(Path(place)).commit(root, identity, draft)
        file = folder / f"{identity.stem}.oci.tar"
        digest = archive.settle(draft, file, identity.reference)
    materials = folder / f"{identity.stem}.cdx.json"
    write_atomically(materials, (bundle / sbom.NAME).read_bytes(), 0o644)
    return Built(file, materials, digest)
