"""What an archive has is proven before a node gets any of it."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Any

import pytest

from install.preload import members
from install.preload.archive import Archive, Image, Walk
from install.preload.members import ArchiveError
from install.preload.target import machine
from tests.unit.preload.archives import (
    NAME,
    Build,
    Files,
    config,
    descriptor,
    docker,
    encoded,
    image,
    index,
    layer,
    many,
    named,
    oci,
    path,
    tar,
)

OTHER = "riscv64"


def proven(raw: bytes) -> Archive:
    return Walk(members.read(io.BytesIO(raw), "x.tar"), "x.tar", machine()).archive()


def refusal(raw: bytes) -> str:
    with pytest.raises(ArchiveError) as refused:
        proven(raw)
    assert str(refused.value).startswith("x.tar")
    return str(refused.value)


def blob_of(files: Files, start: bytes) -> str:
    """Return the path of the blob that begins so."""
    (found,) = (name for name, blob in files.items() if "blobs/" in name and blob.startswith(start))
    return found


# ── sound ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("is_packed", [True, False], ids=["gzip", "plain"])
def test_the_ocis_layout(*, is_packed: bool) -> None:
    build = Build(content=b"0" * 100_000, is_packed=is_packed)
    found = proven(tar(oci(build)))
    _, described = image(build)
    assert found.images == (Image(NAME, described["digest"]),)
    assert found.unpacked == len(layer(build))
    assert (found.stored < found.unpacked) == is_packed


def test_dockers_form() -> None:
    found = proven(tar(docker(Build(name="busybox:1.36"))))
    assert found.images == (Image("docker.io/library/busybox:1.36", ""),)
    assert found.unpacked == len(layer(Build()))


def test_docker_links_a_layer_that_two_images_have() -> None:
    files = docker()
    link = tarfile.TarInfo("ab/layer.tar")
    link.type, link.linkname = tarfile.SYMTYPE, "../cd/layer.tar"
    files["cd/layer.tar"] = files.pop("ab/layer.tar")
    assert proven(tar(files, link)).images[0].name == NAME


def test_a_packed_archive() -> None:
    assert proven(tar(oci(), mode="w:gz")).images[0].name == NAME


def test_several_images() -> None:
    found = proven(tar(oci(Build(), Build("registry.test/b:2", content=b"2"))))
    assert [one.name for one in found.images] == [NAME, "registry.test/b:2"]


def test_of_other_platforms_nothing_need_be_there() -> None:
    builds = Build(), Build(architecture=OTHER, content=b"foreign")
    whole = proven(tar(many(NAME, *builds)))
    assert proven(tar(many(NAME, *builds, left_out=(OTHER,)))).images == whole.images
    assert whole.unpacked == len(layer(Build()))


def test_a_layer_of_two_streams_of_gzip_is_one_layer() -> None:
    whole = layer(Build())
    halves = gzip.compress(whole[:700]) + gzip.compress(whole[700:])
    manifest = encoded({"config": descriptor("config.v1+json", config(Build())),
                        "layers": [descriptor("layer.v1.tar+gzip", halves)]})  # fmt: skip
    files = _with_manifest(manifest, config(Build()), halves)
    assert proven(tar(files)).unpacked == len(whole)


def test_a_layer_of_zstd_is_taken_for_larger() -> None:
    packed = b"\x28\xb5\x2f\xfd" + b"0" * 96
    manifest = encoded({"config": descriptor("config.v1+json", config(Build())),
                        "layers": [descriptor("layer.v1.tar+zstd", packed)]})  # fmt: skip
    assert proven(tar(_with_manifest(manifest, config(Build()), packed))).unpacked == 400


def _with_manifest(manifest: bytes, *blobs: bytes) -> Files:
    files = {path(blob): blob for blob in (manifest, *blobs)}
    outer = named(descriptor("manifest.v1+json", manifest), NAME)
    return files | {"index.json": index(outer)}


# ── damaged ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("start", [b"\x1f\x8b", b'{"schemaVersion": 2, "mediaType', b'{"arch'])
def test_a_blob_that_is_not_what_its_digest_says(start: bytes) -> None:
    files = oci()
    spoilt = blob_of(files, start)
    # Of a gzip the time is changed, and nothing that is in it.
    whole = files[spoilt]
    files[spoilt] = whole[:4] + b"\x01" + whole[5:] if whole[:1] == b"\x1f" else whole + b" "
    assert "which is sha256:" in refusal(tar(files))


@pytest.mark.parametrize("start", [b"\x1f\x8b", b'{"schemaVersion": 2, "mediaType', b'{"arch'])
def test_a_blob_that_is_missing(start: bytes) -> None:
    files = oci()
    del files[blob_of(files, start)]
    assert "lacks sha256:" in refusal(tar(files))


def test_a_layer_that_is_not_the_configurations() -> None:
    other = layer(Build(content=b"of somebody else"))
    manifest = encoded({"config": descriptor("config.v1+json", config(Build())),
                        "layers": [descriptor("layer.v1.tar", other)]})  # fmt: skip
    assert "which is not the layer" in refusal(
        tar(_with_manifest(manifest, config(Build()), other))
    )


def test_layers_that_are_not_as_many() -> None:
    manifest = encoded({"config": descriptor("config.v1+json", config(Build())), "layers": []})
    assert "that it does not list" in refusal(tar(_with_manifest(manifest, config(Build()))))


@pytest.mark.parametrize("kept", [0, 1, 100, 512, 700, 2000, -11000])
def test_an_archive_that_ends_early(kept: int) -> None:
    assert refusal(tar(oci())[:kept])


@pytest.mark.parametrize("kept", [10, 100, 300])
def test_a_packed_archive_that_ends_early(kept: int) -> None:
    assert "damaged or no tar archive" in refusal(tar(oci(), mode="w:gz")[:kept])


@pytest.mark.parametrize("tail", [-1, -8, -12])
def test_a_packed_archive_without_its_last_bytes(tail: int) -> None:
    raw = gzip.compress(tar(oci()))
    assert "damaged" in refusal(raw[:tail])
    assert "damaged" in refusal(raw[:-8] + bytes(8))
    assert "damaged" in refusal(raw + b"and more")


def test_a_packed_archive_of_two_streams() -> None:
    raw = tar(oci())
    assert proven(gzip.compress(raw[:1000]) + gzip.compress(raw[1000:])) == proven(raw)


def test_a_layer_whose_gzip_ends_early() -> None:
    files = oci()
    spoilt = blob_of(files, b"\x1f\x8b")
    files[spoilt] = files[spoilt][:-9]
    assert "ends early" in refusal(tar(files))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "damaged or no tar archive"),
        (b"no tar archive at all" * 100, "damaged or no tar archive"),
        (b"\x28\xb5\x2f\xfd....", "zstd -d it first"),
        (tar(oci(), mode="w:bz2"), "bunzip2 it first"),
        (tar(oci(), mode="w:xz"), "unxz it first"),
        (tar({"file": b"x"}), "neither index.json nor manifest.json"),
        (tar({"index.json": b"{"}), "expected JSON"),
        (tar({"index.json": b"{}"}), "has no image"),
        (tar({"index.json": b"[" * 100_000}), "expected JSON"),
        (tar({"index.json": index()}), "has no image"),
        (tar({"manifest.json": b"{}"}), "has no image"),
        (tar({"manifest.json": b'[{"Config": "x", "RepoTags": null}]'}), "without a name"),
        (tar({"manifest.json": b'[{"Config": "x", "RepoTags": ["a:1"]}]'}), "lacks x"),
    ],
)
def test_what_is_no_archive_of_images(raw: bytes, said: str) -> None:
    assert said in refusal(raw)


def test_dockers_files_that_are_something_else() -> None:
    files = docker()
    name = next(name for name in files if name.endswith(".json") and name != "manifest.json")
    files[name] += b" "
    assert "which is something else" in refusal(tar(files))
    files = docker()
    files["ab/layer.tar"] = layer(Build(content=b"else"))
    assert "which is not the layer" in refusal(tar(files))


def test_indices_that_are_nested_without_end() -> None:
    files, inner = oci(), image(Build())[1]
    for _ in range(6):
        document = index(inner)
        files[path(document)] = document
        inner = descriptor("index.v1+json", document)
    assert "too many indices" in refusal(tar(files | {"index.json": index(named(inner, NAME))}))


# ── for another machine, or without a name ───────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "files",
    [
        oci(Build(architecture=OTHER)),
        docker(Build(architecture=OTHER)),
        oci(Build(), Build("registry.test/b:2", architecture=OTHER)),
        many(NAME, Build(architecture=OTHER), Build(architecture="s390x")),
    ],
    ids=["oci", "docker", "one of two", "many"],
)
def test_another_architecture(files: Files) -> None:
    said = refusal(tar(files))
    assert f"is for linux/{OTHER}" in said
    assert f"this node is linux/{machine()}" in said
    assert "take the archive for that" in said


@pytest.mark.parametrize(
    "name", ["1.2", "probe:1", "rails/probe:1", "registry.test/probe", "registry.test/Probe:1", ""]
)
def test_a_name_that_no_pod_could_ask_for(name: str) -> None:
    assert "expected REGISTRY/NAME:TAG" in refusal(tar(oci(Build(name=name))))


def test_containerds_own_annotation_comes_first() -> None:
    files, (blobs, described) = oci(), image(Build())
    notes: dict[str, Any] = {"io.containerd.image.name": "localhost/a:1",
                             "org.opencontainers.image.ref.name": "1"}  # fmt: skip
    files |= blobs | {"index.json": index(described | {"annotations": notes})}
    assert proven(tar(files)).images[0].name == "localhost/a:1"


# ── hostile ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["/etc/passwd", "../out", "a/../../out", "..", "a\nb"])
def test_a_path_that_leads_out(name: str) -> None:
    assert "leads out of it" in refusal(tar({**oci(), name: b"x"}))


@pytest.mark.parametrize("target", ["/etc/shadow", "../../etc/shadow"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_that_leads_out(target: str, kind: bytes) -> None:
    link = tarfile.TarInfo("ab/link")
    link.type, link.linkname = kind, target
    assert "leads out of it" in refusal(tar(oci(), link))


def test_a_device_is_refused() -> None:
    device = tarfile.TarInfo("null")
    device.type = tarfile.CHRTYPE
    assert "neither file nor folder nor link" in refusal(tar(oci(), device))


def test_a_file_that_is_there_twice_with_two_contents() -> None:
    raw = io.BytesIO(tar(oci()))
    with tarfile.open(fileobj=raw, mode="a") as archive:
        entry = tarfile.TarInfo("./index.json")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"{}"))
    assert "two different files index.json" in refusal(raw.getvalue())


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory(kind: bytes) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = kind, 3 << 30
    assert "a header of 3,221,225,472 bytes" in refusal(header.tobuf() + bytes(1 << 20))


def test_documents_that_would_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "_DOCUMENTS", 100_000)
    assert proven(tar(oci())).images
    more = {f"{at}.json": b"{" + b" " * 30_000 for at in range(4)}
    assert "more than 100,000 bytes of JSON" in refusal(tar(oci() | more))


@pytest.mark.parametrize(
    ("form", "kind"), [("gnu", tarfile.GNUTYPE_SPARSE), ("pax", tarfile.REGTYPE)]
)
def test_a_file_with_holes_of_exabytes(form: str, kind: bytes) -> None:
    hole = tarfile.TarInfo("hole")
    hole.type = kind
    if form == "pax":
        hole.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(1 << 60)}
    assert "a file with holes" in refusal(tar(oci(), hole))


def test_indices_that_name_each_other_thousands_of_times() -> None:
    files, inner = oci(), image(Build())[1]
    for _ in range(4):
        document = index(*[inner] * 2000)
        files[path(document)] = document
        inner = descriptor("index.v1+json", document)
    assert len(proven(tar(files | {"index.json": index(named(inner, NAME))})).images) == 1
