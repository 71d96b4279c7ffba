"""`railctl fabric check`: what it says of a node file, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from install.railctl import app

ROOT = Path(__file__).parents[3]
SMALL = """\
[etcd]
endpoints = ["etcd-0:2379"]
[fabrics.small]
blockSize = 64
[fabrics.small.rails.a]
subnet = "10.60.0.0/24"
[fabrics.lab]
registry = "local"
[fabrics.lab.rails.b]
subnet = "10.90.0.0/28"
"""


def check(path: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["fabric", "check", str(path), *options])


def document(result: Result) -> dict[str, Any]:
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "node.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_the_example_is_right() -> None:
    result = check(ROOT / "deploy/node.toml")
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(name in result.stdout for name in ("backend", "storage", "lab"))


def test_what_the_fabrics_are_enough_for(file: Path) -> None:
    result = check(file, "--output", "json")
    assert (result.exit_code, document(result)["problems"]) == (0, [])
    assert document(result)["fabrics"] == [
        {
            "fabric": "lab", "registry": "local", "rails": "b", "blocks": "1", "blockSize": "16",
            "usable": "14", "static": "0", "nodes": "1",
        },
        {
            "fabric": "small", "registry": "etcd", "rails": "a", "blocks": "4", "blockSize": "64",
            "usable": "254", "static": "0", "nodes": "2",
        },
    ]  # fmt: skip


@pytest.mark.parametrize(("nodes", "enough"), [(2, True), (3, False)])
def test_too_few_blocks_are_a_warning(file: Path, nodes: int, enough: bool) -> None:  # noqa: FBT001
    result = check(file, "--nodes", str(nodes))
    assert result.exit_code == 0
    expected = f"{file}:3: warning: fabrics.small has 4 blocks, enough for 2 nodes, expected 2"
    assert (expected not in result.stderr) == enough
    assert "fabrics.lab" not in result.stderr


def test_all_errors_at_once(file: Path) -> None:
    file.write_text(SMALL.replace("64", "65").replace("0/28", "0/31"), encoding="utf-8")
    result = check(file)
    assert (result.exit_code, result.stdout) == (1, "")
    first, second = result.stderr.splitlines()
    assert first.startswith(f"{file}:4: fabrics.small.blockSize is 65, expected")
    assert second.startswith(f"{file}:10: fabrics.lab.rails.b.subnet is '10.90.0.0/31', expected")
    rows = document(check(file, "--output", "json"))["problems"]
    assert [(row["level"], row["line"]) for row in rows] == [("error", "4"), ("error", "10")]


def test_unknown_keys_are_warnings(file: Path) -> None:
    file.write_text(SMALL.replace("blockSize", "blocksize"), encoding="utf-8")
    result = check(file)
    assert result.exit_code == 0
    assert f"{file}:4: warning: fabrics.small.blocksize is unknown" in result.stderr


def test_what_is_no_toml(file: Path) -> None:
    file.write_text(SMALL + "[fabrics", encoding="utf-8")
    result = check(file)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"{file}:11: is not TOML")


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a long path is folded
    result = check(Path("absent.toml"))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
