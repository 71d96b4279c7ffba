"""What systemd hears, over a real socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni.agent.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """Return what systemd has, and the name that it gives to what it starts."""
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.settimeout(5)
        listener.bind(name if request.param == "path" else f"\0{name}")
        yield listener, name if request.param == "path" else f"@{name}"


def test_what_it_hears(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    told = ServiceManager({"NOTIFY_SOCKET": name})
    told.ready("serving\nSTOPPING=1")
    told.status("3 requests")
    told.alive()
    told.stopping("waiting for 2 requests")
    assert [listener.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=serving STOPPING=1",
        b"STATUS=3 requests",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=waiting for 2 requests",
    ]


def test_a_reload_names_its_time(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    ServiceManager({"NOTIFY_SOCKET": name}).reloading()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    first, second = listener.recv(4096).split(b"\n")
    assert first == b"RELOADING=1"
    assert before <= int(second.removeprefix(b"MONOTONIC_USEC=")) <= after


@pytest.mark.parametrize("name", ["", "vsock:2:1234", "/absent/notify", "@absent"])
def test_where_nobody_listens(name: str) -> None:
    ServiceManager({"NOTIFY_SOCKET": name}).ready("serving")
    ServiceManager({}).ready("serving")


def test_one_that_does_not_read_holds_nobody_up(
    manager: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, name = manager
    monkeypatch.setattr("cni.agent.systemd._PATIENCE", 0.01)
    told = ServiceManager({"NOTIFY_SOCKET": name})
    began = time.monotonic()
    for _ in range(100):  # more than its queue has room for
        told.alive()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("environ", "period"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-3"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog(environ: dict[str, str], period: float | None) -> None:
    assert ServiceManager(environ).watchdog_period() == period
