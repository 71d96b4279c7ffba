"""The agent's socket in the file system."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from cni.agent.socket_file import listening


def connect(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "agent.sock"))


def test_it_is_roots_alone(tmp_path: Path) -> None:
    with listening(tmp_path / "state"):
        status = (tmp_path / "state/agent.sock").lstat()
        assert stat.S_ISSOCK(status.st_mode)
        assert (status.st_mode & 0o777, status.st_uid) == (0o600, 0)
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "state").iterdir()) == []


def test_what_a_killed_agent_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "agent.sock"))
    with pytest.raises(ConnectionRefusedError):
        connect(tmp_path)
    with listening(tmp_path):
        connect(tmp_path)


def test_who_comes_takes_over_and_who_goes_leaves_the_others_alone(tmp_path: Path) -> None:
    with listening(tmp_path):
        first = listening(tmp_path)
        with first:
            connect(tmp_path)
        # The second has gone, with its own name; the first one has none any more.
        assert not (tmp_path / "agent.sock").exists()
    old = listening(tmp_path)
    old.__enter__()
    with listening(tmp_path):
        old.__exit__(None, None, None)
        connect(tmp_path)


def test_a_path_may_be_long(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    with listening(deep):
        assert (deep / "agent.sock").exists()
