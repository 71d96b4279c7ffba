"""The node's files: where they are, and that none is ever half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.host.paths import CONFIG_DIR, LOG_DIR, STATE_DIR, Paths, private_folder, write_atomically


def test_only_the_environment_moves_the_folders() -> None:
    assert Paths.of({}) == Paths()
    moved = Paths.of({STATE_DIR: "/x", LOG_DIR: "/y", CONFIG_DIR: "/z"})
    assert (moved.attachments, moved.locks, moved.logs, moved.node_file) == (
        Path("/x/attachments"), Path("/x/locks"), Path("/y"), Path("/z/node.toml"),
    )  # fmt: skip


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    write_atomically(file, b"old")
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_write_leaves_the_old_content_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "record.json"
    write_atomically(file, b"old")
    monkeypatch.setattr(Path, "rename", _full_disk)
    with pytest.raises(OSError, match="No space"):
        write_atomically(file, b"new")
    assert file.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [file]


def _full_disk(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_what_is_made_is_roots_alone(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "a/b")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert folder.parent.stat().st_mode & 0o777 == 0o700
