"""`railctl preload` puts archives into a real containerd, and into a folder such as K3s has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.spec.containerd import BUSYBOX
from tests.spec.host import Host
from tests.spec.node import PATIENCE, Node
from tests.unit.preload.archives import NAME, Build, digest, docker, image, many, oci, tar, write

pytestmark = [pytest.mark.netns, pytest.mark.containerd]

MINE = Build(content=os.urandom(100_000))
FOREIGN = "s390x"


@dataclass(frozen=True, slots=True)
class Preloading:
    """A containerd, and railctl beside it."""

    railctl: Path
    folder: Path
    """containerd's."""
    images: Path
    state: Path

    @property
    def settings(self) -> Path:
        """Its settings."""
        return self.folder / "files/etc/containerd/config.toml"

    def run(self, *words: str | Path, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run `railctl preload`."""
        return subprocess.run(
            [str(self.railctl), "preload", *map(str, words)],
            input=stdin, capture_output=True, check=False, timeout=PATIENCE,
            env={**os.environ, "RAILCNI_STATE_DIR": str(self.state)},
        )  # fmt: skip

    def bring(self, *words: str | Path, stdin: bytes = b"") -> dict[str, Any]:
        """Run it with that containerd; return what it says."""
        done = self.run("--settings", self.settings, "--output", "json", *words,
                        stdin=stdin)  # fmt: skip
        assert done.stdout, done.stderr
        said: dict[str, Any] = json.loads(done.stdout)
        return said

    def refusal(self, *words: str | Path, stdin: bytes = b"") -> str:
        """Run it with that containerd, which must come to nothing."""
        before = self.listed()
        done = self.run("--settings", self.settings, *words, stdin=stdin)
        assert (done.returncode, done.stdout) == (1, b""), done
        assert self.listed() == before
        return done.stderr.decode()

    def listed(self) -> dict[str, str]:
        """Return containerd's images by ctr: digest by name."""
        lines = subprocess.run(
            ["ctr", "--address", str(self.folder / "socket"), "--namespace", "k8s.io",
             "images", "list"],
            capture_output=True, check=True, text=True, timeout=PATIENCE,
        ).stdout.splitlines()[1:]  # fmt: skip
        return {line.split()[0]: line.split()[2] for line in lines}

    def remove(self, kind: str, *words: str) -> None:
        """Remove an image or a blob from containerd."""
        subprocess.run(
            ["ctr", "--address", str(self.folder / "socket"), "--namespace", "k8s.io",
             kind, "remove", *words],
            capture_output=True, check=True, timeout=PATIENCE,
        )  # fmt: skip


@pytest.fixture(scope="module")
def preloading(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Preloading]:
    """One containerd for all tests here; each removes what it has imported."""
    if not (shutil.which("containerd") and shutil.which("ctr") and BUSYBOX.exists()):
        missing = "no containerd, or no busybox-static: make test-packages"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("preload")
    node = Node()
    try:
        with Host(node, folder / "containerd", []):
            yield Preloading(
                bundle / "railctl", folder / "containerd", folder / "agent/images", folder / "own"
            )
    finally:
        node.delete()


@pytest.fixture(autouse=True)
def _forgotten(preloading: Preloading) -> Iterator[None]:
    yield
    for name in preloading.listed():
        if name.startswith("registry.test/"):
            preloading.remove("images", "--sync", name)
    shutil.rmtree(preloading.images, ignore_errors=True)


def test_an_archive_gets_into_containerd_and_is_there(
    preloading: Preloading, tmp_path: Path
) -> None:
    archive = write(tmp_path / "probe.tar", oci(MINE))
    wanted = image(MINE)[1]["digest"]
    first = preloading.bring(archive)["images"]
    assert first == [
        {"image": NAME, "digest": wanted, "archive": str(archive), "outcome": "imported"}
    ]
    assert preloading.listed()[NAME] == wanted
    assert preloading.bring(archive)["images"][0]["outcome"] == "there already"


def test_an_image_that_has_lost_a_layer_is_not_there(
    preloading: Preloading, tmp_path: Path
) -> None:
    archive, wanted = write(tmp_path / "probe.tar", oci(MINE)), tmp_path / "images.txt"
    wanted.write_text(NAME)
    preloading.bring(archive)
    layers = [Path(path).name for path, blob in oci(MINE).items() if blob[:2] == b"\x1f\x8b"]
    preloading.remove("content", *(f"sha256:{layer}" for layer in layers))
    assert NAME in preloading.listed()
    assert preloading.bring("--list", wanted)["lacking"] == [NAME]
    assert preloading.bring(archive)["images"][0]["outcome"] == "imported"


def test_dockers_form_and_one_for_many_platforms(preloading: Preloading, tmp_path: Path) -> None:
    builds = Build(content=b"many"), Build(architecture=FOREIGN)
    several = write(
        tmp_path / "many.tar", many("registry.test/many:1", *builds, left_out=(FOREIGN,))
    )
    dockers = tmp_path / "docker.tar.gz"
    dockers.write_bytes(tar(docker(Build("registry.test/docker:1")), mode="w:gz"))
    said = preloading.bring(several, dockers)["images"]
    assert [row["image"] for row in said] == ["registry.test/many:1", "registry.test/docker:1"]
    listed = preloading.listed()
    assert all(listed[row["image"]] == row["digest"] for row in said)


def test_from_stdin_and_into_k3ss_folder(preloading: Preloading) -> None:
    raw = tar(oci(MINE))
    row = preloading.bring("--images-dir", preloading.images, "-", stdin=raw)["images"][0]
    file = preloading.images / "registry.test_rails_probe_1.tar"
    assert row["outcome"] == f"imported, put at {file}"
    assert file.read_bytes() == raw
    assert [entry.name for entry in preloading.images.iterdir()] == [file.name]
    again = preloading.bring("--images-dir", preloading.images, "-", stdin=raw)["images"][0]
    assert again["outcome"] == "there already"


def test_before_k3s_has_started(preloading: Preloading, tmp_path: Path) -> None:
    archive = write(tmp_path / "probe.tar", oci(MINE))
    done = preloading.run("--images-dir", preloading.images, archive)
    assert done.returncode == 0, done.stderr
    assert b"K3s imports them when it starts" in done.stdout
    assert (preloading.images / "probe.tar").read_bytes() == archive.read_bytes()
    assert NAME not in preloading.listed()


def test_a_dry_run_changes_nothing(preloading: Preloading, tmp_path: Path) -> None:
    archive = write(tmp_path / "probe.tar", oci(MINE))
    said = preloading.bring("--dry-run", "--images-dir", preloading.images, archive)["images"]
    assert said[0]["outcome"] == f"to be imported, to be put at {preloading.images}/probe.tar"
    assert NAME not in preloading.listed()
    assert not preloading.images.exists()


def test_what_the_node_lacks_of_a_list(preloading: Preloading, tmp_path: Path) -> None:
    other, wanted = f"registry.test/b:2@{digest(b'')}", tmp_path / "images.txt"
    wanted.write_text(f"{NAME}@{image(MINE)[1]['digest']}\n{other}\n")
    archive = write(tmp_path / "probe.tar", oci(MINE))
    lacking = [f"{NAME}@{image(MINE)[1]['digest']}", other]
    assert preloading.bring("--list", wanted)["lacking"] == lacking
    assert preloading.bring("--list", wanted, archive)["lacking"] == [other]
    wanted.write_text(NAME)
    assert preloading.bring("--list", wanted) == {"images": [], "lacking": []}


def test_what_is_damaged_or_foreign_changes_nothing(preloading: Preloading, tmp_path: Path) -> None:
    sound = write(tmp_path / "sound.tar", oci(MINE))
    damaged = tmp_path / "damaged.tar"
    damaged.write_bytes(sound.read_bytes()[:50_000])
    foreign = write(tmp_path / "foreign.tar", oci(Build(architecture=FOREIGN)))
    to = ("--images-dir", preloading.images)
    assert "damaged" in preloading.refusal(*to, sound, damaged)
    assert "damaged" in preloading.refusal(*to, "-", stdin=damaged.read_bytes())
    assert f"is for linux/{FOREIGN}" in preloading.refusal(*to, sound, foreign)
    assert "No such file" in preloading.refusal(*to, sound, tmp_path / "none.tar")
    assert not preloading.images.exists()


def test_a_full_disk_is_said_before_anything_is_changed(
    preloading: Preloading, tmp_path: Path
) -> None:
    archive = write(tmp_path / "probe.tar", oci(MINE))
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)], check=True)
    try:
        images = small / "agent/images"
        said = preloading.refusal("--images-dir", images, archive)
        assert f"{images} has" in said
        assert "bytes free, expected" in said
        assert "No space left" in preloading.refusal("--images-dir", images, "-",
                                                     stdin=archive.read_bytes())  # fmt: skip
        assert [file.name for file in small.rglob("*") if file.is_file()] == ["lock"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_containerd_that_is_not_running(preloading: Preloading, tmp_path: Path) -> None:
    settings = tmp_path / "config.toml"
    settings.write_text(f'version = 2\n[grpc]\naddress = "{tmp_path}/none.sock"\n')
    done = preloading.run("--settings", settings, write(tmp_path / "x.tar", oci(MINE)))
    assert done.returncode == 1
    assert b"containerd is not running" in done.stderr


def test_manifests_that_would_ask_a_registry(preloading: Preloading, tmp_path: Path) -> None:
    pod = tmp_path / "pod.yaml"
    pod.write_text("spec:\n  containers:\n  - image: a.b/c:latest\n    imagePullPolicy: Always\n")
    done = preloading.run("--check", pod)
    assert done.returncode == 1
    said = done.stdout.decode()
    assert f"{pod}:3: error: a.b/c:latest has the tag :latest" in said
    assert f"{pod}:4: error: imagePullPolicy is Always" in said
    pod.write_text("spec:\n  containers:\n  - image: a.b/c:1\n")
    assert preloading.run("--check", pod).returncode == 0
