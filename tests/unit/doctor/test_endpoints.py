"""Each of etcd's members asked by itself: servers on the loopback interface that answer so."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from install.doctor.registry import endpoints
from install.doctor.registry.endpoints import look
from ipam.etcd.settings import Settings
from tests.etcd.certificates import Authority


class Member(BaseHTTPRequestHandler):
    """Answers `/version` by a clock that is ahead."""

    ahead = timedelta()
    date = ""
    """Said instead."""

    def do_GET(self) -> None:
        assert self.path == "/version"
        self.send_response_only(200)
        now = datetime.now(UTC) + self.ahead
        self.send_header("Date", self.date or format_datetime(now, usegmt=True))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")


@contextmanager
def serving(ahead: float = 0, tls: ssl.SSLContext | None = None, date: str = "") -> Iterator[int]:
    """Serve on the loopback interface; yield the port."""
    handler = type("Ahead", (Member,), {"ahead": timedelta(seconds=ahead), "date": date})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture
def tls(authority: Authority) -> ssl.SSLContext:
    """What a member that wants our certificate serves by."""
    pair = authority.server()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(pair.certificate, pair.key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.mark.parametrize("ahead", [0, 40, -3600])
def test_a_members_clock(ahead: int) -> None:
    with serving(ahead) as port:
        (found,) = look(Settings((f"http://127.0.0.1:{port}",)))
    assert (found.problem, found.certificate_ends) == ("", None)
    assert found.offset is not None
    assert abs(found.offset - ahead) <= 1


@pytest.mark.parametrize(
    "date",
    [
        "yesterday",
        "Thu, 26 Nov 2026 08:00:00 -0000",
        "Thu, 26 Nov 2026 08:00:00",
        f"Thu, 26 Nov {'9' * 20} 08:00:00 GMT",
        f"Thu, 26 Nov 2026 08:00:00 +{'9' * 20}",
    ],
)
def test_a_date_that_says_nothing(date: str) -> None:
    with serving(date=date) as port:
        (found,) = look(Settings((f"http://127.0.0.1:{port}",)))
    assert (found.problem, found.offset) == ("", None)


def test_one_that_never_ends_is_not_heard_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "_WHOLE", 0.3)
    said: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        talker = threading.Thread(target=_talk, args=(server, said), daemon=True)
        talker.start()
        look(Settings((f"http://127.0.0.1:{server.getsockname()[1]}",)))
        talker.join()
    assert len(said) < 500


def _talk(server: socket.socket, said: list[int]) -> None:
    """Say something again and again, for ten seconds."""
    member, _ = server.accept()
    with member, suppress(OSError):
        member.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
        while len(said) < 500:
            said.append(member.send(b" "))
            time.sleep(0.02)


def test_one_that_is_away_does_not_hide_the_others() -> None:
    with serving() as port:
        gone, there = look(Settings(("http://127.0.0.1:1", f"http://127.0.0.1:{port}")))
    assert (gone.url, gone.problem) == ("http://127.0.0.1:1", "Connection refused")
    assert there.problem == ""


def test_until_when_a_members_certificate_is_valid(
    authority: Authority, tls: ssl.SSLContext
) -> None:
    own = authority.client()
    with serving(tls=tls) as port:
        (found,) = look(Settings(
            (f"https://127.0.0.1:{port}",), authority.certificate, own.certificate, own.key
        ))  # fmt: skip
    assert found.problem == ""
    assert found.certificate_ends
    assert found.certificate_ends > datetime.now(UTC)


def test_a_member_of_a_strange_authority(tls: ssl.SSLContext, tmp_path: Path) -> None:
    strange = Authority(tmp_path / "strange").certificate
    with serving(tls=tls) as port:
        (found,) = look(Settings((f"https://127.0.0.1:{port}",), strange))
    assert found.problem.startswith("TLS: ")
