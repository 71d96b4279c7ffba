"""A bundle's list of files: what is not as it says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from install.bundle import manifest
from install.bundle.manifest import ManifestError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A folder with files and their list."""
    (tmp_path / "_internal/cni").mkdir(parents=True)
    (tmp_path / "railcni").write_text("executable")
    (tmp_path / "_internal/cni/a.pyc").write_text("a")
    (tmp_path / "_internal/cni/ä b.pyc").write_text("")
    manifest.write(tmp_path)
    return tmp_path


def test_a_whole_bundle(bundle: Path) -> None:
    assert manifest.differences(bundle) == []


def test_the_list_is_one_that_sha256sum_checks(bundle: Path) -> None:
    subprocess.run(
        ["sha256sum", "--check", "--quiet", "--strict", "MANIFEST"], cwd=bundle, check=True
    )
    lines = (bundle / "MANIFEST").read_text().splitlines()
    assert len(lines) == 3
    assert lines == sorted(lines, key=lambda line: line.split("  ")[1])


def test_each_difference_is_told(bundle: Path) -> None:
    (bundle / "railcni").write_text("executable!")
    (bundle / "_internal/cni/a.pyc").unlink()
    (bundle / "_internal/b.pyc").write_text("b")
    assert manifest.differences(bundle) == [
        "_internal/cni/a.pyc is missing",
        "_internal/b.pyc does not belong there",
        "railcni has changed",
    ]


def test_a_file_that_became_a_folder_is_told(bundle: Path) -> None:
    (bundle / "railcni").unlink()
    (bundle / "railcni").mkdir()
    assert manifest.differences(bundle) == ["railcni is missing"]


@pytest.mark.parametrize("content", ["what\n", "0" * 63 + "  railcni\n", "\n"])
def test_a_broken_list_is_named_with_its_line(bundle: Path, content: str) -> None:
    with (bundle / "MANIFEST").open("a") as file:
        file.write(content)
    with pytest.raises(ManifestError, match="MANIFEST, line 4: expected a SHA-256"):
        manifest.differences(bundle)


def test_a_bundle_without_a_list_is_none(bundle: Path) -> None:
    (bundle / "MANIFEST").unlink()
    with pytest.raises(ManifestError, match=r"MANIFEST is missing: .* is no whole bundle"):
        manifest.differences(bundle)


def test_a_link_is_no_part_of_a_bundle(bundle: Path) -> None:
    (bundle / "link").symlink_to("railcni")
    with pytest.raises(ManifestError, match="holds 'link'"):
        manifest.differences(bundle)
    with pytest.raises(ManifestError, match="holds 'link'"):
        manifest.write(bundle)
