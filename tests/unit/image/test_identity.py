"""What an image is called, and what of its sources it says."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

import cni
from deploy.image.errors import ImageError
from deploy.image.identity import Identity, identify

COMMITTED = 1_700_000_000
WHO = {
    "GIT_AUTHOR_DATE": f"{COMMITTED} +0000", "GIT_COMMITTER_DATE": f"{COMMITTED} +0000",
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_NOSYSTEM": "1", "HOME": "/nowhere",
}  # fmt: skip


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    if not shutil.which("git"):
        pytest.skip("there is no git")
    (tmp_path / "source").write_text("1")
    for words in (("init", "--quiet"), ("add", "source"), ("commit", "--quiet", "--message", "c")):
        _git(tmp_path, *words)
    return tmp_path


def test_it_is_the_commits(repository: Path) -> None:
    identity = identify(repository, {})
    assert identity.revision == _git(repository, "rev-parse", "HEAD")
    assert identity.epoch == COMMITTED
    assert identity.version == cni.__version__
    assert identity.reference == f"ghcr.io/railcni/railcni:{cni.__version__}"


def test_what_is_not_committed_shows(repository: Path) -> None:
    (repository / "source").write_text("2")
    assert identify(repository, {}).revision == f"{_git(repository, 'rev-parse', 'HEAD')}-changed"


def test_a_builder_may_say_the_time(repository: Path) -> None:
    assert identify(repository, {"SOURCE_DATE_EPOCH": "7"}).epoch == 7
    with pytest.raises(ImageError, match="SOURCE_DATE_EPOCH is 'now': expected seconds since 1970"):
        identify(repository, {"SOURCE_DATE_EPOCH": "now"})


def test_sources_without_a_repository_have_no_revision(tmp_path: Path) -> None:
    identity = identify(tmp_path, {})
    assert (identity.revision, identity.epoch) == ("", 0)
    assert "org.opencontainers.image.revision" not in identity.labels


@pytest.mark.parametrize(("machine", "name"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_its_files_are_named_by_its_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, machine: str, name: str
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert identify(tmp_path, {}).stem == f"railcni-{cni.__version__}-{name}"


def test_another_architecture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ImageError, match="this machine is a riscv64: build on one of x86_64"):
        identify(tmp_path, {})


def test_labels_are_ocis() -> None:
    labels = Identity("1.2.3", "amd64", "abc", 0).labels
    assert labels["org.opencontainers.image.version"] == "1.2.3"
    assert all(key.startswith("org.opencontainers.image.") for key in labels)


def _git(repository: Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", repository, *words], env={"PATH": os.environ["PATH"]} | WHO,
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
