"""The agent's settings: what they may be, and where an error is."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from cni.agent.config import AgentConfig, Endpoint, load
from cni.agent.hostgw.settings import HostgwSettings
from cni.protocol.errors import CniError, Code


def written(folder: Path, text: str, mode: int = 0o644) -> Path:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    config = load(tmp_path / "agent.toml")
    assert config == AgentConfig()
    assert (str(config.metrics), config.requests, config.waiting) == ("127.0.0.1:9753", 64, 256)
    assert (config.budget, config.grace, config.reclaim_after) == (60.0, 30.0, 86400.0)
    assert (config.pfs, config.cni_path, config.reclaim) == ((), ("/opt/cni/bin",), False)
    assert config.log_level == "info"


def test_all_keys(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        metrics = "[fd00::1]:80"
        requests = 1
        waiting = 4096
        budget = 1.5
        grace = 5
        pfs = ["ens1f0np0", "ens1f1np1"]
        leastMtu = 1500
        cniPath = ["/usr/libexec/cni", "/opt/cni/bin"]
        reclaim = true
        reclaimAfter = 3600
        logLevel = "debug"
        [hostgw]
        mode = "always"
        """,
    )
    assert dict(load(path)) == {
        "metrics": Endpoint("fd00::1", 80),
        "requests": 1,
        "waiting": 4096,
        "budget": 1.5,
        "grace": 5.0,
        "pfs": ("ens1f0np0", "ens1f1np1"),
        "least_mtu": 1500,
        "cni_path": ("/usr/libexec/cni", "/opt/cni/bin"),
        "reclaim": True,
        "reclaim_after": 3600.0,
        "hostgw": HostgwSettings(mode="always"),
        "log_level": "debug",
    }


@pytest.mark.parametrize(
    ("written_so", "endpoint"),
    [
        ("0.0.0.0:9753", Endpoint("0.0.0.0", 9753)),  # noqa: S104 - what an operator may want
        ("[::]:1", Endpoint("::", 1)),
        ("node-7.example.net:65535", Endpoint("node-7.example.net", 65535)),
    ],
)
def test_where_the_pages_are(tmp_path: Path, written_so: str, endpoint: Endpoint) -> None:
    assert load(written(tmp_path, f'metrics = "{written_so}"')).metrics == endpoint
    assert str(endpoint) == written_so


def test_no_pages(tmp_path: Path) -> None:
    assert load(written(tmp_path, 'metrics = ""')).metrics is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        *(
            (f"metrics = {value}", f"metrics is {shown}, expected HOST:PORT such as")
            for value, shown in (
                ('"9753"', "'9753'"),
                ('":9753"', "':9753'"),
                ('"::1:9753"', "'::1:9753'"),
                ('"[127.0.0.1]:9753"', "'[127.0.0.1]:9753'"),
                ('"[fe80::1%eth0]:9753"', "'[fe80::1%eth0]:9753'"),
                ('"127.0.0.1:0"', "'127.0.0.1:0'"),
                ('"127.0.0.1:65536"', "'127.0.0.1:65536'"),
                ('"127.0.0.1:٣"', "'127.0.0.1:٣'"),
                ("9753", "9753"),
            )
        ),
        ("requests = 0", "requests is 0, expected a whole number from 1 to 256"),
        ("requests = 257", "requests is 257, expected a whole number from 1 to 256"),
        ("requests = true", "requests is True, expected a whole number"),
        ("requests = 2.0", "requests is 2.0, expected a whole number"),
        ("waiting = 0", "waiting is 0, expected a whole number from 1 to 4096"),
        ("budget = 0", "budget is 0, expected a number of seconds from 1 to 600"),
        ("budget = nan", "budget is nan, expected a number of seconds"),
        ("grace = 4", "grace is 4, expected a number of seconds from 5 to 86400"),
        ("grace = '30'", "grace is '30', expected a number of seconds"),
        ("reclaimAfter = 60", "reclaimAfter is 60, expected a number of seconds from 3600 to"),
        ("reclaim = 1", "reclaim is 1, expected true or false"),
        ("pfs = 'eth0'", "pfs is 'eth0', expected a list"),
        ("pfs = ['a/b']", "pfs is ['a/b'], expected 'a/b' to be the name of an interface"),
        ("cniPath = ['bin']", "expected 'bin' to be the absolute path of a folder"),
        ("cniPath = ['/a:/b']", "expected '/a:/b' to be the absolute path of a folder"),
        ("logLevel = 'loud'", "logLevel is 'loud', expected one of debug, info, warning, error"),
        ("logLevel = []", "logLevel is [], expected one of debug, info, warning, error"),
        ("requests =", "is not TOML"),
    ],
)
def test_an_error_names_file_line_key_value_and_form(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, f"# the agent\n{text}\n")
    with pytest.raises(CniError) as caught:
        load(path)
    assert caught.value.code == Code.INVALID_CONFIG
    assert caught.value.msg.startswith(f"{path}:2: {words}") or (
        caught.value.msg.startswith(f"{path}:2: ") and words in caught.value.msg
    )


def test_all_errors_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "requests = 0\n\ngrace = 1\n")
    with pytest.raises(CniError) as caught:
        load(path)
    first, second = caught.value.msg.split("; ")
    assert first.startswith(f"{path}:1: requests is 0")
    assert second.startswith(f"{path}:3: grace is 1")


def test_an_unknown_key_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path, "grace = 9\nrequest = 3\n[metric]\nport = 1\n")
    with caplog.at_level(logging.WARNING, "cni"):
        assert load(path).grace == 9.0
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}:2: request is unknown and has no effect",
        f"{path}:3: metric is unknown and has no effect",
    ]


def test_only_root_may_write_it(tmp_path: Path) -> None:
    path = written(tmp_path, "grace = 9\n", mode=0o662)
    with pytest.raises(CniError, match="has mode 0662, expected nobody but root to write it"):
        load(path)
    path.chmod(0o644)
    assert load(path).grace == 9.0
    os.chown(path, 65534, 0)
    with pytest.raises(CniError, match="belongs to user 65534, expected root"):
        load(path)
