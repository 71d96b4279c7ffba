"""What the agent tells the service manager that started it, if one did.

Source: sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

_PATIENCE = 1.0
"""Seconds for a service manager that does not read."""


class ServiceManager:
    """systemd, or nobody.

    Args:
        environ: names its socket (NOTIFY_SOCKET), and the watchdog if there is one.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._environ = environ

    def ready(self, status: str) -> None:
        """Say that requests are served: after a start, or after a reload."""
        self._tell("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that the settings are being read again; `ready` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self, status: str) -> None:
        """Say that it ends."""
        self._tell("STOPPING=1", _status(status))

    def status(self, status: str) -> None:
        """Say in one line how it is, for `systemctl status`."""
        self._tell(_status(status))

    def alive(self) -> None:
        """Say that it does not hang, for the watchdog."""
        self._tell("WATCHDOG=1")

    def watchdog_period(self) -> float | None:
        """Return after how many seconds to say so again, half of what the watchdog waits.

        None when no watchdog waits for this process.
        """
        microseconds = self._environ.get("WATCHDOG_USEC", "")
        process = self._environ.get("WATCHDOG_PID") or str(os.getpid())
        if not microseconds.isdecimal() or process != str(os.getpid()):
            return None
        return int(microseconds) / 2_000_000 or None

    def _tell(self, *assignments: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_PATIENCE)
                sender.sendto("\n".join(assignments).encode(errors="replace"), self._address)
        except OSError as error:
            log.debug("the service manager was not told %s: %s", assignments[0], error)


def _address(name: str) -> bytes:
    """Return a unix socket's address; `@` stands for the zero of an abstract one."""
    if not name.startswith(("/", "@")):
        return b""
    address = os.fsencode(name)
    return b"\0" + address[1:] if name.startswith("@") else address


def _status(text: str) -> str:
    return f"STATUS={' '.join(text.split())}"  # each line is an assignment
