"""OCI archives: a tar of blobs by digest and of an index (OCI image-spec, image-layout.md)."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import IO

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
        ImageError: a part of the archive is no file.
    """
    part = file.with_name(f".{file.name}.part")
    try:
        with tarfile.open(draft) as source, tarfile.open(part, "w") as target:
            names = sorted(member.name for member in source if member.isfile())
            index = json.loads(_content(source, _INDEX).read())
            (manifest,) = index["manifests"]
            manifest["annotations"] = {_CONTAINERD: reference, _REFERENCE: reference}
            for name in names:
                content = _content(source, name)
                if name == _INDEX:
                    content = io.BytesIO(json.dumps(index, sort_keys=True).encode())
                entry = tarfile.TarInfo(name)
                entry.size = content.seek(0, io.SEEK_END)
                content.seek(0)
                target.addfile(entry, content)
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    digest: str = manifest["digest"]
    return digest


def _content(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    content = archive.extractfile(name)
    if content is None:
        raise ImageError(f"{name} in {archive.name!r} is no file: it is no OCI archive")
    return content
