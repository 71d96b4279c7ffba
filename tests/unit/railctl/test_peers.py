"""`railctl peers`: what it makes of what the agent says, and of one that says nothing."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cni.agent import http
from cni.agent.config import Endpoint
from cni.host.paths import CONFIG_DIR
from install.railctl import app

DIRECT = {
    "peer": "10.42.1.0/24", "node": "192.168.1.11", "device": "wlan0", "uplink": "wireless",
    "mode": "wifi", "version": "1", "state": "direct", "why": "proven", "seconds": 3725.4,
    "ways": {
        "direct": {"rttSeconds": 0.0042, "jitterSeconds": 0.0011, "loss": 0.02},
        "overlay": {"rttSeconds": 0.0093, "jitterSeconds": None, "loss": 0.0},
        "node": {"rttSeconds": None, "jitterSeconds": None, "loss": 1.0},
    },
}  # fmt: skip
DISTANT = {"peer": "10.42.9.0/24", "state": "overlay", "why": "its node is behind a router"}
TOLD = {"mode": "wifi", "impairments": [], "peers": [DIRECT, DISTANT]}


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as opened:
        number: int = opened.getsockname()[1]
    return number


@pytest.fixture(autouse=True)
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """The agent's settings say that its pages are there."""
    monkeypatch.setenv(CONFIG_DIR, str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://192.0.2.1:1")  # nobody is to be asked but the agent
    (tmp_path / "agent.toml").write_text(f'metrics = "127.0.0.1:{port}"\n')


Telling = Callable[[dict[str, Any] | None], None]


@pytest.fixture
def agent(port: int) -> Iterator[Telling]:
    """Let an agent tell this of its peers; None where it looks after no paths."""
    serving: list[http.Server] = []

    def tell(told: dict[str, Any] | None) -> None:
        page = (lambda: json.dumps(told).encode()) if told is not None else None
        views = http.Views(lambda: b"", lambda: True, list, page)
        serving.append(http.serve(Endpoint("127.0.0.1", port), views))

    yield tell
    for each in serving:
        each.close()


def peers(*options: str) -> Result:
    return CliRunner().invoke(app, ["peers", *options])


def test_a_table(agent: Telling) -> None:
    agent(TOLD)
    result = peers()
    assert (result.exit_code, result.stderr) == (0, "")
    title, heading, direct, distant = result.stdout.splitlines()
    assert title == "peers of this node, mode wifi"
    assert heading.split()[:3] == ["peer", "node", "device"]
    for words in ("192.168.1.11", "wlan0", "wireless", "direct", "1h02m", "4.2 ms ±1.1", "2%"):
        assert words in direct
    assert "9.3 ms  " in direct
    assert distant.split(maxsplit=2) == ["10.42.9.0/24", "overlay", "its node is behind a router"]


def test_json_is_what_the_agent_says(agent: Telling) -> None:
    agent(TOLD)
    assert json.loads(peers("--output", "json").stdout) == TOLD


def test_what_impairs_all_paths_comes_first(agent: Telling) -> None:
    agent({"mode": "observe", "impairments": ["there is no key"], "peers": []})
    result = peers()
    assert (result.exit_code, result.stderr) == (0, "there is no key\n")
    assert "flannel has told this node of none" in result.stdout


def test_an_agent_without_paths(agent: Telling) -> None:
    agent(None)
    result = peers()
    assert (result.exit_code, result.stdout) == (1, "")
    assert "[hostgw]" in result.stderr


def test_no_agent(port: int) -> None:
    result = peers()
    assert result.exit_code == 1
    assert f"no agent answers at 127.0.0.1:{port}: " in result.stderr


def test_an_agent_without_pages(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('metrics = ""\n')
    result = peers()
    assert result.exit_code == 1
    assert "serves no pages" in result.stderr


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text("metrics = 1\n")
    result = peers()
    assert result.exit_code == 1
    assert "agent.toml:1: metrics is 1" in result.stderr


@pytest.mark.parametrize("page", [b"<html>", b"[]", b'{"peers": []}'])
def test_something_else_answers(port: int, page: bytes) -> None:
    views = http.Views(lambda: b"", lambda: True, list, lambda: page)
    with closing(http.serve(Endpoint("127.0.0.1", port), views)):
        result = peers()
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.stderr
