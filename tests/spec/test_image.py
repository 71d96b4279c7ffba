"""What the image is: the frozen bundle, the same for everybody who builds it."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cni import __version__, programs
from deploy.image.identity import REPOSITORY, identify
from deploy.image.recipe import Built, build
from tests.spec.runtime import ROOT

NAME = f"{REPOSITORY}:{__version__}"
HOME = "opt/railcni"


class Content:
    """An OCI archive that has been read.

    Args:
        archive: its file.
    """

    def __init__(self, archive: Path) -> None:
        with tarfile.open(archive) as tar:
            files = (member for member in tar if member.isfile())
            self._files = {member.name: _read(tar, member) for member in files}
        (self.descriptor,) = self._document("index.json")["manifests"]
        self.manifest = json.loads(self._blob(self.descriptor))
        self.config = json.loads(self._blob(self.manifest["config"]))
        (layer,) = self.manifest["layers"]
        self._layer = gzip.decompress(self._blob(layer))
        with self._open() as tar:
            self.entries = {entry.name.rstrip("/"): entry for entry in tar}

    def text(self, name: str) -> str:
        """Return a file of the layer."""
        with self._open() as tar:
            return _read(tar, tar.getmember(name)).decode()

    def _open(self) -> tarfile.TarFile:
        return tarfile.open(fileobj=io.BytesIO(self._layer))

    def _document(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._files[name])
        return document

    def _blob(self, descriptor: Mapping[str, Any]) -> bytes:
        return self._files[f"blobs/{descriptor['digest'].replace(':', '/')}"]


@pytest.fixture(scope="module")
def content(image: Built) -> Content:
    return Content(image.archive)


def test_two_builds_have_one_digest(image: Built, bundle: Path, tmp_path: Path) -> None:
    """Whoever builds it, where and when: this copy has other times and modes."""
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.parent / "railcni", copy, copy_function=shutil.copy)
    for path in copy.rglob("*"):
        path.chmod(path.stat().st_mode & 0o700)
    again = build(copy, identify(ROOT, {"SOURCE_DATE_EPOCH": "0"}), tmp_path)
    assert again.digest == image.digest
    assert again.archive.read_bytes() == image.archive.read_bytes()


def test_it_holds_the_bundle_and_nothing_else(content: Content, bundle: Path) -> None:
    frozen = bundle.parent / "railcni"
    files = {f"{HOME}/{path.relative_to(frozen)}" for path in frozen.rglob("*")}
    links = {f"usr/bin/{name}" for name in programs.PLUGINS | programs.COMMANDS}
    own = {"etc/passwd", "etc/group", "etc/nsswitch.conf"}
    folders = {"", "opt", HOME, "etc", "usr", "usr/bin", "tmp"}
    assert content.entries.keys() | {""} == files | links | own | folders
    assert {content.entries[link].linkname for link in links} == {f"/{HOME}/railcni"}


def test_everything_in_it_is_roots_and_nobody_elses_to_write(content: Content) -> None:
    entries = content.entries.values()
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries} == {(0, 0, 0)}
    assert {entry.mode & 0o7777 for entry in entries if entry.isfile()} == {0o644, 0o755}
    folders = {entry.name.rstrip("/"): entry.mode & 0o7777 for entry in entries if entry.isdir()}
    assert folders.pop("tmp") == 0o1777
    assert set(folders.values()) == {0o755}
    assert "nonroot:x:65532:65532:" in content.text("etc/passwd")


def test_its_archive_has_the_name_that_the_manifests_use(content: Content, image: Built) -> None:
    assert image.archive.name == f"railcni-{__version__}-{content.config['architecture']}.oci.tar"
    assert content.descriptor["digest"] == image.digest
    assert content.descriptor["annotations"] == {
        "io.containerd.image.name": NAME,
        "org.opencontainers.image.ref.name": NAME,
    }


def test_its_labels_say_what_it_is(content: Content) -> None:
    labels = content.config["config"]["Labels"]
    told = {key.removeprefix("org.opencontainers.image."): labels[key] for key in labels}
    assert told.pop("revision", "") == identify(ROOT).revision
    assert told == {
        "title": "railcni",
        "description": "CNI plugins and address management for the rails of GPU clusters",
        "version": __version__,
        "licenses": "Apache-2.0 AND GPL-3.0-only",
        "source": "https://github.com/railcni/railcni",
    }


def test_it_has_no_base(content: Content) -> None:
    assert "annotations" not in content.manifest
    assert len(content.config["rootfs"]["diff_ids"]) == 1


def test_what_is_started_is_named_by_who_starts_it(content: Content) -> None:
    config = content.config["config"]
    assert not config.get("Entrypoint")
    assert not config.get("Cmd")
    assert config["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]


def test_its_bill_of_materials_is_beside_it(content: Content, image: Built) -> None:
    beside = image.archive.with_name(image.archive.name.replace(".oci.tar", ".cdx.json"))
    assert image.materials == beside
    assert beside.read_text() == content.text(f"{HOME}/sbom.cdx.json")


def _read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = tar.extractfile(member)
    assert stream is not None
    return stream.read()
