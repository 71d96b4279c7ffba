"""One process invocation → one call of one verb → one JSON document on stdout and an exit code.

The only place where exceptions become CNI errors.  Environment and streams are injected, so that
the agent and the tests call the same function as the process does.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from cni.protocol import request as requests
from cni.protocol.errors import CniError, Code
from cni.protocol.plugin import Plugin
from cni.protocol.request import Request
from cni.protocol.supported import CURRENT, SUPPORTED
from cni.protocol.versions import RULES, Command

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes to stdout, and the process's exit code."""

    document: Mapping[str, Any] | None
    """None where the specification wants no output."""
    exit_code: int

    def text(self) -> str:
        """Return what goes to stdout."""
        return "" if self.document is None else json.dumps(self.document) + "\n"

    def write(self, stdout: IO[str]) -> int:
        """Write the document; return the exit code."""
        stdout.write(self.text())
        stdout.flush()
        return self.exit_code


def serve(
    make_plugin: Callable[[Request], Plugin],
    environ: Mapping[str, str],
    stdin: bytes,
    started: int | None = None,
) -> Reply:
    """Answer one request.

    Args:
        make_plugin: builds the plugin, called only for a well-formed request that needs it.
        environ: the runtime's environment.
        stdin: the network configuration.
        started: when it arrived (`Request.started`), if that was not just now.
    """
    try:
        return Reply(_answer(make_plugin, requests.read(environ, stdin, started)), 0)
    except Exception as error:  # noqa: BLE001 - here every failure becomes a reply
        return failure(error, stdin)


def failure(error: Exception, stdin: bytes) -> Reply:
    """Return the reply that says why a request was not served.

    Args:
        error: why.
        stdin: the network configuration, which states the version to say it in.
    """
    return Reply(_cni_error(error).to_json(_version_of(stdin)), 1)


def _cni_error(error: Exception) -> CniError:
    """Return what the runtime is told of any exception."""
    if isinstance(error, CniError):
        return error
    if isinstance(error, OSError):
        log.debug("I/O failure", exc_info=error)
        translated = CniError(Code.IO_FAILURE, str(error))
    else:
        log.error("unexpected failure", exc_info=error)
        translated = CniError(
            Code.INTERNAL,
            f"unexpected {type(error).__name__}: {error}",
            "this is a bug in railcni; the traceback is in the plugin's log (stderr)",
        )
    for note in getattr(error, "__notes__", ()):
        translated.add_note(note)
    return translated


def _answer(make_plugin: Callable[[Request], Plugin], request: Request) -> Mapping[str, Any] | None:
    match request.command:
        case Command.VERSION:
            return {"cniVersion": request.version, "supportedVersions": list(SUPPORTED)}
        case Command.ADD:
            answer = make_plugin(request).add(request)
            if isinstance(answer, Mapping):
                return answer
            from cni.protocol.results import render

            return render(answer, request.version)
        case Command.DEL:
            make_plugin(request).delete(request)
        case Command.CHECK:
            make_plugin(request).check(request)
        case Command.GC:
            make_plugin(request).collect(request)
        case Command.STATUS:
            make_plugin(request).status(request)
    return None


def _version_of(stdin: bytes) -> str:
    """Return the version to write an error in, also when the request could not be read whole."""
    try:
        stated = json.loads(stdin).get("cniVersion")
    except (ValueError, AttributeError, RecursionError):
        return CURRENT
    return stated if isinstance(stated, str) and stated in RULES else CURRENT
