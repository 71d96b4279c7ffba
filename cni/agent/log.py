"""The agent's log: a JSON object per line on stderr; and what each request would have logged alone.

A plugin that is a process of its own says on stderr what its configuration's `logLevel` asks for,
and so it still does when the agent served it: the lines of a request are gathered and sent back.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, TextIO

from cni.agent.summary import sentence, subject
from cni.host import logs
from cni.protocol.request import Request

log = logging.getLogger(__name__)

LARGEST = 64 << 10
"""Bytes of a request's lines that are sent back."""
_PIECE = 4096
"""Bytes: PIPE_BUF."""
_PIECE_PATIENCE = 0.1
"""Seconds for the reader to take one more piece of a line that has begun."""
_RESERVED = 128
"""Bytes of these for the last line, which says what is not there."""
_AGENT = "cni.agent"
"""The logger above those that no process of a plugin has."""
_BARE = logging.Formatter()
"""How Python writes what is logged before a log is configured, from WARNING on."""

_current: ContextVar[RequestLog | None] = ContextVar("request", default=None)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send the agent's log to stderr.

    Args:
        level: the name of the lowest that is written; what a request asks for is its own.
        stream: instead of stderr.
    """
    written = _Unhurried(stream or sys.stderr)
    written.setLevel(logs.LEVELS[level])
    written.setFormatter(_JsonLine())
    for ours in logs.OURS:
        logging.getLogger(ours).setLevel(logging.DEBUG)  # which a request may want
    logging.getLogger(_AGENT).setLevel(logs.LEVELS[level])
    logging.basicConfig(level=logging.WARNING, handlers=[_OfRequests(), written], force=True)
    logging.raiseExceptions = False  # a log that cannot be written stops nothing


@contextmanager
def logged(program: str, environ: Mapping[str, str]) -> Iterator[RequestLog]:
    """Let all that this thread logs belong to one request.

    Args:
        program: the plugin's name.
        environ: the runtime's environment, of which nothing is checked yet.
    """
    request_log = RequestLog(program, environ)
    before = _current.set(request_log)
    try:
        yield request_log
    finally:
        _current.reset(before)
        request_log.close()


class RequestLog:
    """The log of one request.

    Until `begin` it is as Python's is before anybody configured it: bare, warnings and errors.
    """

    def __init__(self, program: str, environ: Mapping[str, str]) -> None:
        self.id = token_hex(4)
        """Joins the agent's lines of one request."""
        self.context = self._context(
            program,
            command=environ.get("CNI_COMMAND", ""),
            containerID=environ.get("CNI_CONTAINERID", ""),
            ifname=environ.get("CNI_IFNAME", ""),
        )
        """What the agent's lines say of the request, as far as it is known."""
        self._program = program
        self._request: Request | None = None
        self._how = logs.Wanted(logging.WARNING, _BARE, None)
        self._lines: list[str] = []
        self._room = LARGEST - _RESERVED
        self._omitted = 0

    def begin(self, request: Request, folder: Path) -> None:
        """Log as the request's configuration wants (`cni.host.logs.configure`, which see)."""
        self._request = request
        self.context = self._context(
            self._program,
            command=request.command.value,
            containerID=request.container_id,
            ifname=request.ifname,
            network=str(request.config.get("name", "")),
            pod=str(request.pod),
        )
        self._how = logs.wanted(request, folder)

    def take(self, record: logging.LogRecord) -> None:
        """Keep a line, if the request wants it and its own process would have said it."""
        if record.levelno < self._how.level or record.name.startswith(_AGENT):
            return
        if self._how.file:
            self._how.file.handle(record)
        line = self._how.formatter.format(record).encode("utf-8", "backslashreplace") + b"\n"
        if self._omitted or len(line) > self._room:
            self._omitted += 1
            return
        self._room -= len(line)
        self._lines.append(line.decode())

    @property
    def stderr(self) -> str:
        """What the plugin's own process would have written to stderr."""
        text = "".join(self._lines)
        if self._omitted:
            text += f"{self._omitted} more lines: see the log of rail-agent, id {self.id}\n"
        return text

    def summary(
        self, code: int, reply: Mapping[str, Any] | None, seconds: Mapping[str, float]
    ) -> None:
        """Log what came of the request.

        Args:
            code: of the CNI error, 0 for success.
            reply: the document that the runtime gets, if any.
            seconds: what each step took, and `total`.
        """
        if not log.isEnabledFor(logging.INFO):
            return
        ms = {step: round(took * 1000, 3) for step, took in seconds.items()}
        fields = {**subject(self._request, reply), "code": code, "ms": ms}
        log.info("%s", sentence(self.context, fields), extra={"fields": fields})

    def close(self) -> None:
        """Close the request's file; later lines of it go to the agent's log alone."""
        file, self._how = self._how.file, logs.Wanted(logging.WARNING, _BARE, None)
        if file:
            file.close()

    def _context(self, program: str, **known: str) -> dict[str, str]:
        return {"id": self.id, "program": program} | {
            key: text for key, text in known.items() if text
        }


class _OfRequests(logging.Handler):
    """Gives each line to the request that it belongs to."""

    def createLock(self) -> None:  # noqa: N802 - the standard library's name
        """Have none: a request's lines are its own."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Give it."""
        request_log = _current.get()
        if request_log:
            request_log.take(record)


class _Unhurried(logging.StreamHandler[TextIO]):
    """Writes what is taken at once: a log that nobody reads must stop no request.

    A pipe or a socket that select(2) calls writable has room for a piece.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._is_cut = False
        try:
            self._descriptor = stream.fileno()
        except OSError:  # it is in memory
            self._descriptor = -1

    def emit(self, record: logging.LogRecord) -> None:
        """Write it; leave out what is not taken."""
        if self._descriptor < 0:
            super().emit(record)
            return
        try:
            line = (self.format(record) + self.terminator).encode()
            if self._is_cut:
                line = self.terminator.encode() + line
            self._is_cut = self._write(line)
        except Exception:  # noqa: BLE001 - as the standard library's handlers have it
            self.handleError(record)

    def _write(self, line: bytes) -> bool:
        """Write a line; tell whether it was cut in the middle."""
        for start in range(0, len(line), _PIECE):
            patience = _PIECE_PATIENCE if start else 0
            if not select.select((), (self._descriptor,), (), patience)[1]:
                return start > 0
            os.write(self._descriptor, line[start : start + _PIECE])
        return False


class _JsonLine(logging.Formatter):
    """Writes a record as a JSON object: what happened, of which request, and its own fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Write it; ASCII, so that no message breaks a line."""
        request_log = _current.get()
        line: dict[str, Any] = {
            "time": _rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **(request_log.context if request_log else {}),
        }
        if record.exc_info:
            line["traceback"] = record.exc_text or self.formatException(record.exc_info)
        for key, value in getattr(record, "fields", {}).items():
            line.setdefault(key, value)
        return json.dumps(line, default=str)


def _rfc3339(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
