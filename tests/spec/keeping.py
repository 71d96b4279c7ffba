"""A rail-install that stays, and what its pages say."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

from tests.spec.installation import Installation
from tests.spec.node import PATIENCE, wait_until

SOON = 60.0
"""Seconds that a busy machine may take for what takes two."""


class Keeper:
    """A running `rail-install run`.

    Args:
        installation: what it keeps.
        programs: of the bundle whose rail-install it is.
        words: further options.
    """

    def __init__(self, installation: Installation, programs: Path, *words: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._log = installation.folder / "rail-install.log"
        health = ("--health", f"127.0.0.1:{self._port}")
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                installation.command(programs, "run", *health, *words),
                env=installation.environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def page(self, path: str) -> tuple[int, str]:
        """Return status and content of a page; 0 while there is none."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        with suppress(ConnectionRefusedError):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        return 0, ""

    def wait_until_well(self) -> None:
        """Wait until everything is as it should be."""
        wait_until(lambda: self.page("/readyz") == (200, "ok\n"), f"all well ({self._log})", SOON)

    def wait_for_problem(self, words: str) -> None:
        """Wait until it says what is wrong."""
        wait_until(
            lambda: words in self.page("/readyz")[1], f"{words!r} in /readyz ({self._log})", SOON
        )
        assert self.page("/readyz")[0] == 503
        assert self.page("/healthz") == (200, "ok\n")

    def messages(self) -> list[str]:
        """Return what its log says."""
        return [json.loads(line)["message"] for line in self._log.read_text().splitlines()]

    def end(self) -> None:
        """End it as kubelet does: at once."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(PATIENCE) == 0, self._log.read_text()


@contextmanager
def keeping(installation: Installation, programs: Path, *words: str) -> Iterator[Keeper]:
    """Let rail-install stay, from when all is well; it ends at SIGTERM."""
    keeper = Keeper(installation, programs, *words)
    try:
        keeper.wait_until_well()
        yield keeper
        keeper.end()
    finally:
        if keeper.process.poll() is None:
            keeper.process.kill()
            keeper.process.wait()
