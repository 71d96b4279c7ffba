"""What somebody else put where the node's files belong is neither followed nor trusted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cni.host import logs
from cni.host.paths import draft_of, write_atomically
from cni.protocol.errors import CniError
from cni.protocol.request import Request
from cni.protocol.versions import Command

REQUEST = Request(
    Command.ADD, "1.1.0", {"name": "roce-a", "logFile": "rail.log"},
    container_id="c1", ifname="net1",
)  # fmt: skip


def test_a_log_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "logs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CniError, match="only root can write"):
        logs.configure(REQUEST, tmp_path / "logs")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_log_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    with pytest.raises(CniError, match="only root can write"):
        logs.configure(REQUEST, folder)
    assert not list(folder.iterdir())


def test_a_draft_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    draft_of(file).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        write_atomically(file, b"new")
    assert not (tmp_path / "elsewhere").exists()


def test_a_longer_draft_of_a_killed_writer_leaves_no_tail(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    draft_of(file).write_bytes(b"of a writer that was killed")
    write_atomically(file, b"new")
    assert file.read_bytes() == b"new"
