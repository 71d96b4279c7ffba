"""The agent's pages, over real connections."""

from __future__ import annotations

import logging
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection

import pytest

from cni.agent import http
from cni.agent.config import Endpoint
from cni.agent.http import Server, Views, serve


class Node:
    """What the pages show, as a test wants it."""

    def __init__(self) -> None:
        self.page = b"# HELP x\n"
        self.is_alive = True
        self.in_the_way: Sequence[str] = ()
        self.peers: Callable[[], bytes] | None = None

    def metrics(self) -> bytes:
        return self.page

    @contextmanager
    def served(self, host: str = "127.0.0.1") -> Iterator[Server]:
        views = Views(self.metrics, lambda: self.is_alive, lambda: self.in_the_way, self.peers)
        server = serve(Endpoint(host, 0), views)
        try:
            yield server
        finally:
            server.close()


def ask(server: Server, path: str, method: str = "GET") -> tuple[int, str, dict[str, str]]:
    connection = HTTPConnection(server.endpoint.host, server.endpoint.port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def half_open(server: Server, said: bytes = b"") -> socket.socket:
    connection = socket.create_connection((server.endpoint.host, server.endpoint.port), timeout=5)
    connection.sendall(said)
    return connection


def test_metrics() -> None:
    with Node().served() as server:
        status, text, headers = ask(server, "/metrics?x=1")
    assert (status, text) == (200, "# HELP x\n")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert sorted(headers) == ["Content-Length", "Content-Type", "Date"]  # no version of anything


def test_peers_where_paths_are_looked_after() -> None:
    node = Node()
    with node.served() as server:
        assert ask(server, "/peers")[0] == 404
    node.peers = lambda: b'{"peers": []}'
    with node.served() as server:
        status, text, headers = ask(server, "/peers")
        assert ask(server, "/peers", "POST")[0] == 405
    assert (status, text) == (200, '{"peers": []}')
    assert headers["Content-Type"] == "application/json"


def test_alive_or_not() -> None:
    node = Node()
    with node.served() as server:
        assert ask(server, "/healthz")[:2] == (200, "ok\n")
        node.is_alive = False
        assert ask(server, "/healthz")[:2] == (503, "the agent hangs\n")


def test_ready_or_not() -> None:
    node = Node()
    with node.served() as server:
        assert ask(server, "/readyz")[:2] == (200, "ok\n")
        node.in_the_way = ("etcd is away", "ens1f0 is \udcff down")
        assert ask(server, "/readyz")[:2] == (503, "etcd is away\nens1f0 is ? down\n")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/../etc/passwd", 404),
        ("POST", "/metrics", 405),
        ("HEAD", "/metrics", 405),
        ("DELETE", "/nothing", 405),
        ("BREW", "/metrics", 501),
    ],
)
def test_all_else(method: str, path: str, status: int, capfd: pytest.CaptureFixture[str]) -> None:
    with Node().served() as server:
        found, _, headers = ask(server, path, method)
    assert found == status
    assert (headers.get("Allow") == "GET") is (status == 405)
    assert "Server" not in headers
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "said", [b"nonsense\r\n\r\n", b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 200]
)
def test_what_is_no_request(said: bytes) -> None:
    with Node().served() as server:
        with half_open(server, said + b"\r\n") as connection:
            assert re.search(rb"HTTP/1.0 431|Error code: 400", connection.recv(1000))
        assert ask(server, "/healthz")[0] == 200


def test_a_head_has_no_body() -> None:
    with (
        Node().served() as server,
        half_open(server, b"HEAD / HTTP/1.0\r\n\r\n") as connection,
        connection.makefile("rb") as answer,
    ):
        assert answer.read().endswith(b"Allow: GET\r\n\r\n")


def test_whoever_goes_away_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    node = Node()
    node.page = bytes(64 << 20)
    with node.served() as server:
        for _ in range(http._CONNECTIONS):
            with half_open(server, b"GET /metrics HTTP/1.0\r\n\r\n") as connection:
                connection.recv(1)
                at_once = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        assert ask(server, "/healthz")[0] == 200
    assert not caplog.records


def test_a_page_that_cannot_be_made(caplog: pytest.LogCaptureFixture) -> None:
    node = Node()
    del node.page
    with node.served() as server, caplog.at_level(logging.ERROR, "cni.agent"):
        for _ in range(2 * http._CONNECTIONS):  # no thread is lost by it
            assert ask(server, "/metrics")[:2] == (500, "see the agent's log\n")
    assert {record.getMessage() for record in caplog.records} == {"no page /metrics"}


def test_a_flood_of_connections_that_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PATIENCE", 0.3)
    with Node().served() as server, ExitStack() as flood:
        before = threading.active_count()
        for _ in range(3 * http._CONNECTIONS):
            flood.enter_context(half_open(server))
        assert ask(server, "/healthz")[0] == 200
        assert threading.active_count() == before


def test_a_request_that_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PATIENCE", 0.3)
    with Node().served() as server, half_open(server, b"GET /metrics HTTP/1.1\r\n") as connection:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            trickle(connection, 5)  # each part is in time, and the whole is not
        assert time.monotonic() - began < 3


def trickle(connection: socket.socket, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        connection.sendall(b"a")
        time.sleep(0.02)


def test_one_that_does_not_take_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_PATIENCE", 0.2)
    monkeypatch.setattr(http, "_CONNECTIONS", 1)
    node = Node()
    node.page = bytes(64 << 20)
    with node.served() as server, half_open(server, b"GET /metrics HTTP/1.0\r\n\r\n"):
        assert ask(server, "/healthz")[0] == 200


def test_ipv6() -> None:
    with Node().served("::1") as server:
        assert str(server.endpoint).startswith("[::1]:")
        assert ask(server, "/healthz")[0] == 200


def test_all_addresses_are_those_of_both_families() -> None:
    with Node().served("::") as server:
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, server.endpoint.port), timeout=5):
                pass


def test_an_address_where_there_is_no_listening() -> None:
    def refusal(endpoint: Endpoint) -> str:
        with pytest.raises(OSError, match=r"set metrics in agent\.toml") as refused:
            serve(endpoint, Views(bytes, lambda: True, list))
        return str(refused.value)

    with Node().served() as server:
        text = refusal(server.endpoint)
    assert f"cannot listen on {server.endpoint} (Address already in use)" in text
    text = refusal(Endpoint("192.0.2.1", 9753))
    assert "cannot listen on 192.0.2.1:9753 (Cannot assign requested address)" in text
    text = refusal(Endpoint("no-such-host.invalid", 9753))
    assert "cannot listen on no-such-host.invalid:9753 (" in text


def test_the_end_ends_its_threads() -> None:
    before = threading.active_count()
    with Node().served() as server:
        assert threading.active_count() == before + http._CONNECTIONS
        endpoint = server.endpoint
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((endpoint.host, endpoint.port), timeout=5)
