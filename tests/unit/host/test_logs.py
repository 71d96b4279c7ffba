"""A network configuration chooses a log's name, never its place."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cni.host import logs
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.versions import Command


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in before:
            handler.close()
    root.handlers[:], root.level = before, level


def request(command: Command = Command.ADD, **config: Any) -> Request:
    return Request(command, "1.1.0", {"name": "roce-a", **config}, container_id="c1", ifname="net1")


@pytest.mark.parametrize("by_path", [True, False])
def test_a_file_in_the_folder(tmp_path: Path, by_path: bool) -> None:  # noqa: FBT001
    folder = tmp_path / "logs"
    name = str(folder / "rail.log") if by_path else "rail.log"
    logs.configure(request(logFile=name, logLevel="warning"), folder)
    logging.getLogger("cni").warning("left out %s", "0.0.0.0/0")
    logging.getLogger("cni").info("not asked for")
    (line,) = (folder / "rail.log").read_text().splitlines()
    assert "left out 0.0.0.0/0" in line
    assert "container=c1" in line
    assert "network=roce-a" in line
    assert (folder / "rail.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["/etc/passwd", "/tmp/passwd", "../passwd", "a/passwd"])  # noqa: S108
def test_of_a_path_elsewhere_the_name_counts(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "logs"
    logs.configure(request(logFile=path), folder)
    logging.getLogger("cni").warning("ours")
    assert "ours" in (folder / "passwd").read_text()


@pytest.mark.parametrize("name", ["..", "/", "a/..", ".x", "x y", 7, ["x"]])
def test_what_is_no_name(tmp_path: Path, name: object) -> None:
    with pytest.raises(CniError) as caught:
        logs.configure(request(logFile=name), tmp_path)
    assert caught.value.code == Code.INVALID_CONFIG
    logs.configure(request(Command.DEL, logFile=name), tmp_path)  # a DEL does not fail for it


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "rail.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CniError, match="symbolic"):
        logs.configure(request(logFile="rail.log"), tmp_path)
    logs.configure(request(Command.DEL, logFile="rail.log"), tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_others_can_write_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(CniError, match="only root can write"):
        logs.configure(request(logFile="rail.log"), folder)
