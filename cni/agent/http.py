"""The agent's pages: metrics, and whether it is alive and ready.

As many threads as there may be connections take turns at accepting them, and none waits long for
what it is asked or for its answer to be taken: connections that say nothing cost nobody anything.
"""

from __future__ import annotations

import io
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from cni.agent.config import Endpoint

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

log = logging.getLogger(__name__)

_CONNECTIONS = 8
_WAITING = 32
"""Connections that the kernel keeps until a thread is free."""
_PATIENCE = 5.0
"""Seconds for the whole of a request to come, and for each part of an answer to be taken."""
_PAUSE = 0.1
"""Seconds until accepting is tried again, when there are no descriptors left, say."""
_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Views:
    """What the pages show."""

    metrics: Callable[[], bytes]
    """The page in Prometheus's text format."""
    alive: Callable[[], bool]
    """Whether the agent does anything at all."""
    problems: Callable[[], Sequence[str]]
    """Why new pods might not start, in words."""
    peers: Callable[[], bytes] | None = None
    """The paths to other nodes as JSON, where this agent looks after them."""
    name: str = "the agent"
    """Whose they are."""


class Server:
    """Serves the pages until it is closed."""

    def __init__(self, listener: socket.socket, views: Views) -> None:
        self.endpoint = Endpoint(*listener.getsockname()[:2])
        """Where it listens."""
        self._listener = listener
        self._views = views
        self._closed = threading.Event()
        for number in range(_CONNECTIONS):
            threading.Thread(target=self._serve, name=f"http-{number}", daemon=True).start()

    def close(self) -> None:
        """Accept no more; what is being answered is."""
        self._closed.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody
        self._listener.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                self._closed.wait(_PAUSE)
                continue
            try:
                with connection, suppress(OSError):  # whoever asked has gone
                    _Answer(connection, self._views)
            except Exception:
                log.exception("a connection was not answered")


def serve(endpoint: Endpoint, views: Views) -> Server:
    """Serve the pages.

    Raises:
        OSError: there is no listening there, yet perhaps: a former agent may still be ending.
    """
    try:
        return Server(_listen(endpoint), views)
    except OSError as error:
        named = isinstance(error, socket.gaierror)
        reason = error.strerror if named else os.strerror(error.errno or 0)
        raise OSError(
            error.errno,
            f"no metrics: cannot listen on {endpoint} ({reason}); set metrics in agent.toml to an "
            "address of this host and a port that is free",
        ) from error


def _listen(endpoint: Endpoint) -> socket.socket:
    wanted = (endpoint.host, endpoint.port)
    found = socket.getaddrinfo(*wanted, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = found[0]
    listener = socket.create_server(
        address[:2],
        family=socket.AddressFamily(family),
        backlog=_WAITING,
        dualstack_ipv6=endpoint.host == "::",
    )
    # Who says nothing is not even accepted.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, int(_PATIENCE))
    return listener


class _Answer(BaseHTTPRequestHandler):
    """One connection, with one request."""

    timeout = _PATIENCE

    def __init__(self, connection: socket.socket, views: Views) -> None:
        self._views = views
        super().__init__(connection, None, None)  # type: ignore[arg-type]  # neither is looked at

    def setup(self) -> None:
        """Wait for the whole request as long as for one part of it."""
        super().setup()
        self.rfile = io.BufferedReader(_Hurried(self.connection, _PATIENCE))

    def do_GET(self) -> None:
        """Answer with a page."""
        path = self.path.partition("?")[0]
        try:
            status, content, kind = self._page(path)
        except Exception:
            log.exception("no page %s", path)
            status, content, kind = HTTPStatus.INTERNAL_SERVER_ERROR, "see the agent's log", _TEXT
        self._write(status, content, kind)

    def _page(self, path: str) -> tuple[HTTPStatus, str | bytes, str]:
        match path:
            case "/metrics":
                return HTTPStatus.OK, self._views.metrics(), _PROMETHEUS
            case "/peers" if self._views.peers:
                return HTTPStatus.OK, self._views.peers(), _JSON
            case "/healthz":
                hangs = f"{self._views.name} hangs"
                problems: Sequence[str] = () if self._views.alive() else (hangs,)
            case "/readyz":
                problems = self._views.problems()
            case _:
                return HTTPStatus.NOT_FOUND, "there are /metrics, /healthz and /readyz", _TEXT
        status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
        return status, "\n".join(problems) or "ok", _TEXT

    def _refuse(self) -> None:
        self._write(HTTPStatus.METHOD_NOT_ALLOWED, "only GET", _TEXT, ("Allow", "GET"))

    do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse  # noqa: N815

    def _write(
        self, status: HTTPStatus, content: str | bytes, kind: str, *more: tuple[str, str]
    ) -> None:
        body = content if isinstance(content, bytes) else f"{content}\n".encode(errors="replace")
        self.connection.settimeout(_PATIENCE)
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *more):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def send_response(self, code: int, message: str | None = None) -> None:
        """Begin an answer; what serves it is nobody's business."""
        self.send_response_only(code, message)
        self.send_header("Date", self.date_time_string())

    def log_message(self, *_: object) -> None:
        """Say nothing of who asks what."""


class _Hurried(io.RawIOBase):
    """What comes over a connection within a time (TimeoutError)."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self._connection = connection
        self._deadline = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Wait for some of it."""
        self._connection.settimeout(max(self._deadline - time.monotonic(), 0.001))
        return self._connection.recv_into(buffer)
