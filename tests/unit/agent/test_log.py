"""The agent's log, and that a request's caller is told what its own process would have said."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cni.agent import log as agent_log
from cni.agent.log import LARGEST, RequestLog, configure, logged
from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.versions import Command

log = logging.getLogger("cni.rail.plugin")
ENVIRON = {"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_IFNAME": "net1"}
LOGGERS = ("", "cni", "ipam", "cni.agent")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, levels = root.handlers[:], [logging.getLogger(name).level for name in LOGGERS]
    raising = logging.raiseExceptions
    yield
    root.handlers[:], logging.raiseExceptions = handlers, raising
    for name, level in zip(LOGGERS, levels, strict=True):
        logging.getLogger(name).setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    """Return where an agent at level info logs."""
    stream = io.StringIO()
    configure("info", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def request(command: Command = Command.ADD, **config: Any) -> Request:
    args = {"K8S_POD_NAMESPACE": "ai", "K8S_POD_NAME": "job-0"}
    known = {"name": "roce-a", **config}
    return Request(command, "1.1.0", known, container_id="c1", ifname="net1", args=args)


def test_a_line_is_an_object(stream: io.StringIO) -> None:
    logging.getLogger("ipam").warning(
        "two\nlines of %s", "\udcff", extra={"fields": {"a": Path("/b")}}
    )
    logging.getLogger("ipam").debug("not wanted")
    (line,) = lines(stream)
    at = line.pop("time")
    assert re.fullmatch(r"[-0-9]{10}T[:0-9]{8}\.[0-9]{3}Z", at)
    assert abs(datetime.now(UTC) - datetime.fromisoformat(at)) < timedelta(minutes=1)
    assert line == {
        "level": "warning", "logger": "ipam", "message": "two\nlines of \udcff", "a": "/b",
    }  # fmt: skip


def test_no_field_takes_anothers_place(stream: io.StringIO) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        log.info("a", extra={"fields": {"message": "b", "id": "c", "time": "d", "e": "f"}})
    (line,) = lines(stream)
    assert (line["message"], line["id"], line["e"]) == ("a", held.id, "f")


def test_a_traceback_is_one_line(stream: io.StringIO) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        try:
            int("a bug")
        except ValueError:
            log.exception("unexpected")
    (line,) = lines(stream)
    assert line["traceback"].endswith("base 10: 'a bug'")
    assert held.stderr.endswith("base 10: 'a bug'\n")


def test_what_is_known_of_a_request(stream: io.StringIO, tmp_path: Path) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        log.warning("before")
        held.begin(request(), tmp_path)
        log.warning("after")
    log.warning("of none")
    before, after, none = lines(stream)
    known = {"id": held.id, "program": "rail-sriov", "command": "ADD", "containerID": "c1",
             "ifname": "net1"}  # fmt: skip
    assert before.items() >= known.items()
    assert "pod" not in before
    assert after.items() >= {**known, "network": "roce-a", "pod": "ai/job-0"}.items()
    assert "id" not in none
    assert len(held.id) == 8
    assert int(held.id, 16) >= 0


PROCESS = """
import logging, sys, pathlib
from cni.host import logs
from cni.protocol.request import Request
from cni.protocol.versions import Command
from tests_say import say
if len(sys.argv) > 1:
    config = {"name": "roce-a", "logLevel": sys.argv[1], "logFile": "r.log"}
    args = {"K8S_POD_NAMESPACE": "ai", "K8S_POD_NAME": "job-0"}
    request = Request(
        Command.ADD, "1.1.0", config, container_id="c1", ifname="net1", args=args
    )
    logs.configure(request, pathlib.Path(sys.argv[2]))
say()
"""
SAY = """
import logging
def say():
    for name in ("cni.rail.plugin", "ipam.adding", "pyroute2.netlink"):
        for level in (10, 20, 30, 40, 50):
            logging.getLogger(name).log(level, "of %s at %d with \\udcff and 100%%", name, level)
"""


@pytest.mark.parametrize("level", ["", "debug", "info", "warning", "error", "panic", "loud"])
def test_the_caller_is_told_what_a_process_of_its_own_would_say(
    stream: io.StringIO, tmp_path: Path, level: str
) -> None:
    (tmp_path / "tests_say.py").write_text(SAY, encoding="ascii")
    alone, warm = tmp_path / "alone", tmp_path / "warm"
    process = subprocess.run(
        [sys.executable, "-c", PROCESS, *([level, str(alone)] if level else [])],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}"},
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    said: dict[str, Any] = {}
    exec(SAY, said)  # noqa: S102 - the same lines
    with logged("rail-sriov", ENVIRON) as held:
        if level:
            held.begin(request(logLevel=level, logFile="r.log"), warm)
        said["say"]()
    assert _timeless(held.stderr) == _timeless(process.stderr)
    assert bool(held.stderr)
    if level:
        texts = [(folder / "r.log").read_text(encoding="utf-8") for folder in (alone, warm)]
        assert _timeless(texts[0]) == _timeless(texts[1])
        assert _timeless(texts[0]) == _timeless(process.stderr)
    assert {line["level"] for line in lines(stream)} <= {"info", "warning", "error", "critical"}


def _timeless(text: str) -> list[str]:
    return [line[len("2026-01-01 00:00:00,000") :] if line[:1].isdigit() else line
            for line in text.splitlines()]  # fmt: skip


def test_what_only_the_agent_says_is_not_told(stream: io.StringIO, tmp_path: Path) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        held.begin(request(logLevel="debug", logFile="r.log"), tmp_path)
        logging.getLogger("cni.agent.serving").warning("over budget")
    assert held.stderr == (tmp_path / "r.log").read_text() == ""
    assert [line["message"] for line in lines(stream)] == ["over budget"]


def test_threads_have_requests_of_their_own(stream: io.StringIO, tmp_path: Path) -> None:
    told: dict[str, str] = {}
    together = threading.Barrier(8)

    def serve(name: str) -> None:
        with logged("rail-sriov", {**ENVIRON, "CNI_CONTAINERID": name}) as held:
            held.begin(request(logFile="r.log"), tmp_path / name)
            together.wait(5)
            for number in range(20):
                log.warning("%s %d", name, number)
        told[name] = held.stderr

    threads = [threading.Thread(target=serve, args=(f"c{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    for name in (f"c{number}" for number in range(8)):
        assert [line.split(" ")[3:5] for line in told[name].splitlines()] == [
            [name, str(number)] for number in range(20)
        ]
        assert (tmp_path / name / "r.log").read_text() == told[name]
    assert len({(line["id"], line["message"].split()[0]) for line in lines(stream)}) == 8
    assert len({line["id"] for line in lines(stream)}) == 8


def test_what_is_told_is_bounded(stream: io.StringIO, tmp_path: Path) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        held.begin(request(logFile="r.log"), tmp_path)
        for _ in range(100):
            log.warning("ä" * 500)
        log.warning("short")
    told = held.stderr.splitlines()
    assert LARGEST - 2000 < len(held.stderr.encode()) <= LARGEST
    assert told[-1] == f"{102 - len(told)} more lines: see the log of rail-agent, id {held.id}"
    assert len((tmp_path / "r.log").read_text().splitlines()) == 101
    assert len(lines(stream)) == 101


def test_what_is_told_has_no_gap(stream: io.StringIO) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        for text in ("first", "x" * LARGEST, "short"):
            log.warning(text)
    first, omitted = held.stderr.splitlines()
    assert (first, omitted.partition(":")[0]) == ("first", "2 more lines")
    assert len(lines(stream)) == 3


def test_a_bad_file_is_an_error_on_add_alone(stream: io.StringIO, tmp_path: Path) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        with pytest.raises(CniError) as caught:
            held.begin(request(logFile=".."), tmp_path)
        assert caught.value.code == Code.INVALID_CONFIG
        held.begin(request(Command.DEL, logFile=".."), tmp_path)
    assert not stream.getvalue()


def test_the_file_is_open_only_while_it_is_served(stream: io.StringIO, tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - iterdir would hold one open

    before = open_files()
    with logged("rail-sriov", ENVIRON) as held:
        held.begin(request(), tmp_path / "logs")
        assert open_files() == before
        held.begin(request(logFile="r.log"), tmp_path / "logs")
        assert open_files() == before + 1
    assert open_files() == before
    held.take(log.makeRecord("cni", logging.WARNING, "", 0, "late", (), None))  # and harms nothing
    del stream


def test_a_full_disk_stops_nothing(
    stream: io.StringIO, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with logged("rail-sriov", ENVIRON) as held, Path("/dev/full").open("wb") as full:
        held.begin(request(logFile="r.log"), tmp_path / "logs")
        file = held._how.file
        assert isinstance(file, logging.FileHandler)
        assert file.stream
        os.dup2(full.fileno(), file.stream.fileno())
        log.warning("said")
    assert "said" in held.stderr
    assert len(lines(stream)) == 1
    assert capfd.readouterr() == ("", "")


def test_the_summary(stream: io.StringIO, tmp_path: Path) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        asked = request(runtimeConfig={"deviceID": "0000:3b:02.1"}, ipam={"rail": "a"})
        held.begin(asked, tmp_path)
        reply = {"ips": [{"address": "10.60.4.210/16"}, {"address": "fd00:60::4d2/64"}]}
        held.summary(0, reply, {"parse": 0.0001, "total": 0.00284})
    (line,) = lines(stream)
    assert line["message"] == "ADD a 0000:3b:02.1 10.60.4.210/16 fd00:60::4d2/64: done in 2.8 ms"
    assert line.items() >= {
        "rail": "a", "device": "0000:3b:02.1", "code": 0, "ms": {"parse": 0.1, "total": 2.84},
        "addresses": ["10.60.4.210/16", "fd00:60::4d2/64"], "id": held.id, "pod": "ai/job-0",
    }.items()  # fmt: skip
    assert held.stderr == ""


def test_the_summary_of_a_failure(stream: io.StringIO) -> None:
    with logged("rail-sriov", ENVIRON) as held:
        held.summary(6, {"code": 6, "msg": "no JSON"}, {})
    (line,) = lines(stream)
    assert (line["message"], line["error"]) == ("ADD: failed with code 6", "no JSON")


def test_nobody_writes_what_nobody_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    configure("error", stream)

    def never(*_: object) -> str:
        raise AssertionError

    monkeypatch.setattr(agent_log, "sentence", never)
    monkeypatch.setattr(logging.Formatter, "format", never)
    monkeypatch.setattr(logging.LogRecord, "getMessage", never)
    with logged("rail-sriov", ENVIRON) as held:
        held.begin(request(logLevel="error"), tmp_path)
        log.warning("neither of them")
        held.summary(0, None, {"total": 0.1})
    assert (held.stderr, stream.getvalue()) == ("", "")


def test_the_level_can_be_changed(stream: io.StringIO) -> None:
    other = io.StringIO()
    configure("debug", other)
    log.debug("now wanted")
    logging.getLogger("pyroute2").info("a library's")
    assert [line["message"] for line in lines(other)] == ["now wanted"]
    assert stream.getvalue() == ""


def test_a_request_log_is_cheap(stream: io.StringIO, tmp_path: Path) -> None:
    import timeit

    asked = request()

    def serve() -> None:
        with logged("rail-sriov", ENVIRON) as held:
            held.begin(asked, tmp_path)

    best = min(timeit.repeat(serve, number=100, repeat=5)) / 100
    assert best < 0.0005
    assert isinstance(RequestLog("rail-sriov", {}).context["id"], str)
    assert not stream.getvalue()
