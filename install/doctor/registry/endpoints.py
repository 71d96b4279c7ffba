"""Each of etcd's members asked by itself, with plain HTTP: its certificate, and its clock.

`GET /version` is served to whom TLS lets in, without user and password.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

from install.doctor.registry.facts import Endpoint
from ipam.etcd.settings import Endpoint as Where
from ipam.etcd.settings import Settings

_PATIENCE = 3.0
"""Seconds for each step with one of them."""
_WHOLE = 10.0
"""Seconds for all that one of them says."""


def look(settings: Settings) -> list[Endpoint]:
    """Ask all of them, at once."""
    with ThreadPoolExecutor(len(settings.parsed)) as pool:
        return list(pool.map(lambda where: _look(settings, where), settings.parsed))


def _look(settings: Settings, where: Where) -> Endpoint:
    begun = time.monotonic()
    try:
        with closing(_connection(settings, where)) as connection:
            connection.connect()
            seconds = time.monotonic() - begun
            ends = _certificate_ends(connection.sock)
            offset = _ask(connection)
    except ssl.SSLCertVerificationError as error:
        return Endpoint(where.text, f"TLS: {error.verify_message}")
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Endpoint(where.text, reason)
    return Endpoint(where.text, "", seconds, ends, offset)


def _ask(connection: HTTPConnection) -> float | None:
    """Return how far a server's clock is ahead."""
    # A word now and then keeps each single read from taking too long.
    end = threading.Timer(_WHOLE, _end, (connection.sock,))
    end.start()
    try:
        connection.request("GET", "/version")
        asked = datetime.now(UTC)
        answer = connection.getresponse()
        answer.read(1 << 16)
        return _offset(answer.headers.get("Date"), asked)
    finally:
        end.cancel()


def _end(opened: socket.socket) -> None:
    with suppress(OSError):
        opened.shutdown(socket.SHUT_RDWR)


def _connection(settings: Settings, where: Where) -> HTTPConnection:
    host, _, port = where.authority.rpartition(":")
    host = host.strip("[]")
    if not where.secure:
        return HTTPConnection(host, int(port), timeout=_PATIENCE)
    context = ssl.create_default_context(cafile=str(settings.ca))
    if settings.certificate and settings.key:
        # A password would be asked for at the terminal: there is none.
        context.load_cert_chain(settings.certificate, settings.key, password=b"")
    return HTTPSConnection(host, int(port), timeout=_PATIENCE, context=context)


def _certificate_ends(opened: Any) -> datetime | None:
    if not isinstance(opened, ssl.SSLSocket):
        return None
    told = (opened.getpeercert() or {}).get("notAfter")
    if not isinstance(told, str):
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(told), UTC)


def _offset(date: str | None, asked: datetime) -> float | None:
    """Return how far a server's clock is ahead; its Date leaves out the part of a second."""
    try:
        told = parsedate_to_datetime(date) if date else None
    except (ValueError, OverflowError):
        return None
    if told is None or told.tzinfo is None:  # `-0000`: of no zone that is known
        return None
    apart = (told - asked.replace(microsecond=0)).total_seconds()
    return 0.0 if abs(apart) <= 1 else apart
