"""OCI archives: a tar of blobs by digest and of an index (OCI image-spec, image-layout.md)."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import IO, Any

from deploy.image.errors import ImageError

_INDEX = "index.json"
_CONTAINERD = "io.containerd.image.name"
"""What `ctr images import` and K3s take an image's name from."""
_REFERENCE = "org.opencontainers.image.ref.name"
"""What podman and skopeo do."""


def settle(draft: Path, file: Path, reference: str) -> str:
    """Write an archive anew: named, sorted and without the times of its making.

    Args:
        draft: the archive as a tool wrote it, of one image.
        file: where to; replaced as a whole.
        reference: the image's name, such as `ghcr.io/railcni/railcni:1.0.0`.

    Returns:
        The digest of the image's manifest, by which a reference can be pinned.

    Raises:
        ImageError: the draft is no archive of one image.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        with tarfile.open(draft) as source, tarfile.open(part, "w") as target:
            files = {member.name: source.extractfile(member) for member in source}
            index = _index(draft, files.get(_INDEX))
            (manifest,) = index["manifests"]
            manifest["annotations"] = {_CONTAINERD: reference, _REFERENCE: reference}
            files[_INDEX] = io.BytesIO(json.dumps(index, sort_keys=True).encode())
            for name in sorted(files):
                if content := files[name]:  # a folder has none
                    _add(target, name, content)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    digest: str = manifest["digest"]
    return digest


def _index(archive: Path, content: IO[bytes] | None) -> dict[str, Any]:
    if content is None:
        raise ImageError(f"{archive} has no {_INDEX}: it is no OCI archive")
    index: dict[str, Any] = json.load(content)
    if len(index["manifests"]) != 1:
        raise ImageError(f"{archive} names {len(index['manifests'])} images, expected one")
    return index


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes]) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = content.seek(0, io.SEEK_END)
    content.seek(0)
    archive.addfile(entry, content)
