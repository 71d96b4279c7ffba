"""What the agent answers: on its socket, and on its page."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from cni import wire
from cni.agent.config import Endpoint
from cni.host.paths import Paths
from install.doctor.host.facts import Agent

_PATIENCE = 2.0
"""Seconds for each answer."""
_MOST_PROBLEMS = 64
_NETNS = Path("/proc/self/ns/net")


def ask(paths: Paths, endpoint: Endpoint | None, build: bytes) -> Agent:
    """Ask the agent whether it would serve this bundle, and how it is; nothing is begun by that.

    Args:
        paths: the node's.
        endpoint: where its pages are to be; None for nowhere.
        build: of this bundle.
    """
    file = paths.state / os.fsdecode(wire.SOCKET)
    if not file.is_socket():
        return Agent()
    problems = _problems(endpoint) if endpoint else None
    pages = str(endpoint) if endpoint else ""
    return Agent(_is_heard(file), _refusal(file, paths, build), pages, problems)


def _refusal(file: Path, paths: Paths, build: bytes) -> str | None:
    """Hand in a call, and take it back as soon as it is answered."""
    environ = {os.fsencode(k): os.fsencode(v) for k, v in paths.environment().items()}
    call = wire.call(build, _NETNS.stat().st_ino, "rail-sriov", environ, b"{}")
    try:
        with _connected(file) as agent:
            agent.sendall(call)
            answer = agent.recv(1)
            if answer == wire.READY:
                return ""
            if answer == wire.REFUSED:
                return agent.recv(256).decode("utf-8", "replace") or "it has too much to do"
    except OSError:
        return None
    return None


def _is_heard(file: Path) -> bool:
    """Tell whether somebody listens: a killed agent leaves its socket."""
    try:
        with _connected(file):
            return True
    except ConnectionRefusedError:
        return False
    except OSError:
        return True


def _connected(file: Path) -> socket.socket:
    """Return a connection; its path may be longer than a socket's address has room for."""
    folder = os.open(file.parent, os.O_PATH | os.O_CLOEXEC)
    agent = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        agent.settimeout(_PATIENCE)
        agent.connect(f"/proc/self/fd/{folder}/{file.name}")
    except OSError:
        agent.close()
        raise
    finally:
        os.close(folder)
    return agent


def _problems(endpoint: Endpoint) -> list[str] | None:
    """Return what `/readyz` says, None where nobody answers."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(endpoint.host, endpoint.host)  # noqa: S104
    with closing(HTTPConnection(host, endpoint.port, timeout=_PATIENCE)) as connection:
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            content = answer.read().decode("utf-8", "replace")
        except (OSError, HTTPException):
            return None
    lines = content.splitlines()[:_MOST_PROBLEMS]
    return [] if lines == ["ok"] else lines
