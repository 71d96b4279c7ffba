"""What a person sees of a node."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import cni
from cni.host.paths import STATE_DIR
from install.railctl import app
from tests.scenario.rail.worlds import MemoryWorld


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MemoryWorld:
    """A node whose state folder railctl looks at."""
    made = MemoryWorld(tmp_path)
    monkeypatch.setenv(STATE_DIR, str(made.paths.state))
    return made


def run(*words: str) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output


def rows(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run(*words, "--output", "json"))
    return found


@pytest.mark.usefixtures("world")
def test_a_node_that_holds_nothing() -> None:
    assert "holds no device" in run("attachments")
    assert "nobody holds an address" in run("addresses")
    assert rows("attachments") == rows("addresses") == []


def test_whose_device_and_whose_address(world: MemoryWorld) -> None:
    device = world.add_device()
    world.call("ADD", pod=world.add_pod(), device=device, rail="roce-a")
    (attachment,) = rows("attachments")
    assert attachment["state"] == "of an earlier boot"  # the fake's boot is not this machine's
    assert (attachment["device"], attachment["rail"]) == (device, "roce-a")
    (address,) = rows("addresses")
    assert (address["addresses"], address["container"]) == ("10.60.0.1", "c1")
    assert device in run("attachments")
    assert "10.60.0.1" in run("addresses", "10.60.0.1")
    assert "nobody holds 10.60.0.9" in run("addresses", "10.60.0.9")


def test_an_unfinished_attachment_is_shown_as_such(
    world: MemoryWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "boot_id").write_text(world.kernel.boot_id())
    module = sys.modules["install.railctl.attachments"]
    monkeypatch.setattr(module, "_BOOT_ID", tmp_path / "boot_id")
    world.call("ADD", pod=world.add_pod(), device=world.add_device())
    (record,) = world.node.attachments.all()
    assert [row["state"] for row in rows("attachments")] == ["attached"]
    world.node.attachments.save(record.model_copy(update={"attached": False}))
    (row,) = rows("attachments")
    assert row["state"] == "unfinished"
    assert row["age"]


@pytest.mark.usefixtures("world")
def test_what_is_no_address_is_said_to_be_none() -> None:
    result = CliRunner().invoke(app, ["addresses", "10.60"])
    assert result.exit_code == 2
    assert "expected an address like" in result.output


def test_version() -> None:
    assert json.loads(run("version", "--output", "json"))["railcni"] == cni.__version__
