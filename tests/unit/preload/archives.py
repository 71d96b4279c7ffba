"""Archives of images for the tests, sound ones and such that are not."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from install.preload.target import machine

_OCI = "application/vnd.oci.image"
NAME = "registry.test/rails/probe:1"
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Build:
    """What an image is to be like."""

    name: str = NAME
    architecture: str = ""
    """This machine's, if it is not said."""
    content: bytes = b"of an image"
    is_packed: bool = True


def layer(build: Build) -> bytes:
    """Return a layer with one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = len(build.content)
        archive.addfile(entry, io.BytesIO(build.content))
    return stream.getvalue()


def config(build: Build) -> bytes:
    """Return an image's configuration."""
    return encoded({
        "architecture": build.architecture or machine(), "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest(layer(build))]},
    })  # fmt: skip


def image(build: Build) -> tuple[Files, dict[str, Any]]:
    """Return an image's blobs, and its manifest's descriptor."""
    kind = "tar+gzip" if build.is_packed else "tar"
    packed = gzip.compress(layer(build), mtime=0) if build.is_packed else layer(build)
    manifest = encoded({
        "schemaVersion": 2, "mediaType": f"{_OCI}.manifest.v1+json",
        "config": descriptor("config.v1+json", config(build)),
        "layers": [descriptor(f"layer.v1.{kind}", packed)],
    })  # fmt: skip
    blobs = {path(blob): blob for blob in (packed, config(build), manifest)}
    return blobs, descriptor("manifest.v1+json", manifest)


def oci(*builds: Build) -> Files:
    """Return the files of an archive in the OCI's layout."""
    files: Files = {"oci-layout": encoded({"imageLayoutVersion": "1.0.0"})}
    described = []
    for build in builds or (Build(),):
        blobs, described_one = image(build)
        files |= blobs
        described.append(named(described_one, build.name))
    return files | {"index.json": index(*described)}


def many(name: str, *builds: Build, left_out: tuple[str, ...] = ()) -> Files:
    """Return an archive of one image for several platforms, without the blobs of some."""
    files: Files = {"oci-layout": encoded({"imageLayoutVersion": "1.0.0"})}
    described = []
    for build in builds:
        blobs, one = image(build)
        files |= {} if build.architecture in left_out else blobs
        platform = {"architecture": build.architecture or machine(), "os": "linux"}
        described.append(one | {"platform": platform})
    inner = index(*described)
    outer = named(descriptor("index.v1+json", inner), name)
    return files | {path(inner): inner, "index.json": index(outer)}


def docker(build: Build | None = None) -> Files:
    """Return the files of an archive as `docker save` wrote it before 25.0."""
    build = build or Build()
    name = f"{digest(config(build))[7:]}.json"
    manifest = [{"Config": name, "RepoTags": [build.name], "Layers": ["ab/layer.tar"]}]
    return {name: config(build), "ab/layer.tar": layer(build), "manifest.json": encoded(manifest)}


def index(*descriptors: Mapping[str, Any]) -> bytes:
    return encoded({"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json",
                    "manifests": descriptors})  # fmt: skip


def named(described: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {**described, "annotations": {"org.opencontainers.image.ref.name": name}}


def descriptor(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": digest(blob), "size": len(blob)}


def digest(blob: bytes) -> str:
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def path(blob: bytes) -> str:
    return f"blobs/sha256/{digest(blob)[7:]}"


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def tar(files: Mapping[str, bytes], *others: tarfile.TarInfo, mode: str = "w") -> bytes:
    """Return a tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for other in others:
            archive.addfile(other)
    return stream.getvalue()


def write(file: Path, files: Mapping[str, bytes]) -> Path:
    """Write an archive."""
    file.write_bytes(tar(files))
    return file
