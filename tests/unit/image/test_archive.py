"""OCI archives, as another tool wrote them and as they are passed on."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from deploy.image.archive import settle
from deploy.image.errors import ImageError

NAME = "ghcr.io/railcni/railcni:1.0.0"
DIGEST = "sha256:" + "a" * 64
INDEX = {
    "schemaVersion": 2,
    "manifests": [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": DIGEST, "size": 2,
            "annotations": {"org.opencontainers.image.ref.name": "latest"},
        }
    ],
}  # fmt: skip


def draft(file: Path, names: list[str], *, index: Any = INDEX, at: int = 0) -> Path:
    """Write an archive of an index and of blobs that hold their own names."""
    with tarfile.open(file, "w") as archive:
        folder = tarfile.TarInfo("blobs")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name in names:
            content = json.dumps(index) if name == "index.json" else name
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime, entry.uid = len(content), at, at
            archive.addfile(entry, io.BytesIO(content.encode()))
    return file


def test_it_gets_its_name_and_keeps_its_content(tmp_path: Path) -> None:
    blobs = ["blobs/sha256/b", "blobs/sha256/a"]
    file = tmp_path / "image.oci.tar"
    made = draft(tmp_path / "draft", ["index.json", *blobs])
    assert settle(made, file, NAME) == DIGEST
    with tarfile.open(file) as archive:
        content = {
            member.name: stream.read()
            for member in archive
            if (stream := archive.extractfile(member))
        }
    (manifest,) = json.loads(content.pop("index.json"))["manifests"]
    assert set(manifest["annotations"].values()) == {NAME}
    assert (manifest["digest"], manifest["size"]) == (DIGEST, 2)
    assert content == {name: name.encode() for name in blobs}


def test_neither_order_nor_time_nor_owner_of_a_draft_shows(tmp_path: Path) -> None:
    names = ["index.json", "oci-layout", "blobs/sha256/a"]
    files = []
    for at, order in enumerate((names, names[::-1])):
        files.append(tmp_path / str(at))
        settle(draft(tmp_path / "draft", order, at=at), files[-1], NAME)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_is_no_image_leaves_the_former_archive(tmp_path: Path) -> None:
    file = tmp_path / "image.oci.tar"
    file.write_text("former")
    with pytest.raises(ImageError, match="names 0 images, expected one"):
        settle(draft(tmp_path / "draft", ["index.json"], index={"manifests": []}), file, NAME)
    with pytest.raises(ImageError, match=r"has no index\.json: it is no OCI archive"):
        settle(draft(tmp_path / "draft", ["oci-layout"]), file, NAME)
    assert file.read_text() == "former"
    assert {path.name for path in tmp_path.iterdir()} == {"image.oci.tar", "draft"}
