"""Which files of a version are not what they should be."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from install.bundle import manifest
from install.installer.inspection import Inspection


@pytest.fixture
def version(tmp_path: Path) -> Path:
    for name, mode in (("railcni", 0o755), ("library.so", 0o644)):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(mode)
    manifest.write(tmp_path)
    return tmp_path


def _another_users(file: Path) -> None:
    os.chown(file, 1, 1)


def _for_all_to_write(file: Path) -> None:
    file.chmod(0o666)


def _for_all_to_write_into(folder: Path) -> None:
    folder.chmod(0o777)


def _unreadable(file: Path) -> None:
    file.chmod(0o600)


def _changed(file: Path) -> None:
    file.write_text("library.sO")


@pytest.mark.parametrize(
    "harm", [_another_users, _for_all_to_write, _unreadable, _changed, Path.unlink]
)
def test_what_is_not_as_it_was_written_is_damaged(
    version: Path, harm: Callable[[Path], None]
) -> None:
    inspection = Inspection()
    assert inspection.damaged(version, None) == ()
    harm(version / "library.so")
    assert inspection.damaged(version, None) == ("library.so",)


def _another_folder(folder: Path) -> None:
    folder.rename(folder.parent.parent / "elsewhere")
    folder.symlink_to(folder.parent.parent / "elsewhere")


@pytest.mark.parametrize("harm", [_another_users, _for_all_to_write_into, _another_folder])
def test_what_is_in_a_folder_of_others_is_damaged(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    version = tmp_path / "version"
    for name in ("a/x", "a/b/y", "c/z"):
        (version / name).parent.mkdir(parents=True, exist_ok=True)
        (version / name).write_text(name)
    manifest.write(version)
    inspection = Inspection()
    assert inspection.damaged(version, None) == ()
    harm(version / "a")
    assert inspection.damaged(version, None) == ("a/b/y", "a/x")
