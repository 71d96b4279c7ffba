"""`railctl hostgw chain`: a folder of networks, and what it says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from install.railctl import app
from tests.unit.conflist.folders import files_of, given

KEYS = '{"agentless": true}'
FILE, OWN = "10-flannel.conflist", "00-rail-hostgw.conflist"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, raw in given("k3s").items():
        (tmp_path / name).write_bytes(raw)
    return tmp_path


def run(folder: Path, *options: str, verb: str = "chain") -> Result:
    return CliRunner().invoke(app, ["hostgw", verb, "--conf-dir", str(folder), *options])


def test_in_once_and_out(folder: Path) -> None:
    first = run(folder, "--keys", KEYS)
    assert (first.exit_code, "is written" in first.stdout) == (0, True)
    assert json.loads((folder / OWN).read_text())["plugins"][-1] == {
        "type": "rail-hostgw", "agentless": True,
    }  # fmt: skip
    assert "is as it should be" in run(folder, "--keys", KEYS).stdout
    out = run(folder, "--output", "json", verb="unchain")
    assert json.loads(out.stdout) == [{"file": OWN, "what": "is removed"}]
    assert files_of(folder) == given("k3s")


def test_a_dry_run_says_and_does_not(folder: Path) -> None:
    result = run(folder, "--way", "in-place", "--dry-run")
    assert result.stdout.count("would be written") == 2
    assert files_of(folder) == given("k3s")


def test_what_it_is_told_of_the_node(folder: Path) -> None:
    assert "cbr0/99-rail-hostgw.conf" in run(folder, "--dry-run", "--drops-in", "--k3s").stdout
    result = run(folder, "--k3s")
    copy = folder / f"{FILE}.with-rail-hostgw"
    assert f"flannel-cni-conf: {copy}" in result.stdout
    run(folder, verb="unchain")
    assert b"rail-hostgw" not in copy.read_bytes()  # K3s would not start without it
    run(folder, "--copy-unused", verb="unchain")
    assert files_of(folder) == given("k3s")


def test_who_has_a_copy_of_it(folder: Path) -> None:
    run(folder)
    copied = {"type": "multus", "delegates": [json.loads((folder / OWN).read_text())]}
    (folder / "00-multus.conf").write_text(json.dumps({"name": "m", **copied}))
    result = run(folder, verb="unchain")
    assert result.exit_code == 0
    assert "00-multus.conf has rail-hostgw in delegates" in result.stdout


def test_what_is_refused(folder: Path) -> None:
    (folder / FILE).write_text("{")
    for options in ((), ("--dry-run",)):
        result = run(folder, *options)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "10-flannel.conflist is not JSON" in result.stderr
    assert run(folder, verb="unchain").exit_code == 0  # nothing of ours is there


@pytest.mark.parametrize("keys", ["[]", "{", "1"])
def test_keys_that_are_no_object(folder: Path, keys: str) -> None:
    result = run(folder, "--keys", keys)
    assert result.exit_code == 2
    assert "expected an object" in result.stderr
