"""One etcd process."""

from __future__ import annotations

import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PORTS = (20000, 32000)
"""Below those that Linux gives to outgoing connections."""
_PAUSE = 0.02


class StartError(Exception):
    """A member ended, or did not get healthy; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a member listens."""

    client: int
    peer: int
    metrics: int


def free_ports() -> Ports:
    """Return ports that nobody listens on now; another process may be faster than who asks."""
    found: set[int] = set()
    while len(found) < 3:
        port = random.SystemRandom().randrange(*_PORTS)
        if all(_is_free(family, host, port) for family, host in _LOOPBACKS):
            found.add(port)
    return Ports(*found)


_LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def _is_free(family: socket.AddressFamily, host: str, port: int) -> bool:
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Ask until something is so (TimeoutError)."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(_PAUSE)


class Member:
    """A member of a cluster, running or not.

    Args:
        name: in its cluster.
        ports: where it listens.
        folder: for its log.
    """

    def __init__(self, name: str, ports: Ports, folder: Path) -> None:
        self.name = name
        self.ports = ports
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether there is a process; it may be frozen."""
        return self._process is not None

    def start(self, command: Sequence[str | Path]) -> None:
        """Start it; it is not healthy at once."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self) -> None:
        """End it in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, frozen or not."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let it stand still, its connections open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if process := self._process:
            self._signal(number)
            self.thaw()
            process.wait(timeout=20)
            self._process = None

    def wait_until_healthy(self) -> None:
        """Wait until it answers with a quorum (StartError)."""
        try:
            wait_for(self._is_healthy, f"{self.name} to be healthy")
        except TimeoutError as error:
            raise StartError(f"{error}\n{self._tail()}") from error

    def _is_healthy(self) -> bool:
        if self._process and self._process.poll() is not None:
            raise StartError(f"{self.name} ended: {self._tail()}")
        # It serves metrics a moment before it listens for clients.
        return '"true"' in self._metrics("health") and all(
            self._listens(family, host) for family, host in _LOOPBACKS
        )

    def _listens(self, family: socket.AddressFamily, host: str) -> bool:
        with socket.socket(family) as probe:
            probe.settimeout(1)
            return probe.connect_ex((host, self.ports.client)) == 0

    @property
    def is_leader(self) -> bool:
        """Whether it says that it leads."""
        return "\netcd_server_is_leader 1" in self._metrics("metrics")

    def _metrics(self, path: str) -> str:
        """Return what it says without TLS and authentication, nothing when it does not answer."""
        address = f"http://127.0.0.1:{self.ports.metrics}/{path}"
        with suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(address, timeout=1) as answer:
                text: bytes = answer.read()
            return text.decode()
        return ""

    def _tail(self) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])
