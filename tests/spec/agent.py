"""The node's agent: the frozen rail-agent, on a node of the tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any

from netns import NetNS

from tests.spec.node import PATIENCE, executed_by, wait_until
from tests.spec.runtime import Runtime

PORT = 9753


class Agent:
    """A running rail-agent.

    Args:
        runtime: on whose node, and with whose folders.
        folder: for its log.
        words: its arguments.
        wrapper: commands that it is started by, which end in executing their arguments.
    """

    def __init__(
        self, runtime: Runtime, folder: Path, *words: str, wrapper: tuple[str, ...] = ()
    ) -> None:
        self._runtime = replace(runtime, wrapper=wrapper)
        self._words = words
        self._log = folder / "rail-agent.log"
        self.process = self._start()

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self._runtime.state / "agent.sock"

    def stop(self) -> None:
        """End it as a service manager does; it must have served in peace."""
        os.kill(executed_by(self.process), signal.SIGTERM)
        self.process.wait(PATIENCE)
        assert self.process.returncode == 0, self._log.read_text()
        assert not self.socket.exists()
        assert self.errors() == []

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        os.kill(executed_by(self.process), signal.SIGKILL)
        self.process.wait(PATIENCE)

    def restart(self) -> None:
        """Start another one, as a service manager does."""
        self.process = self._start()

    def lines(self) -> list[dict[str, Any]]:
        """Return its log."""
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def served(self) -> list[dict[str, Any]]:
        """Return what its log says of each request."""
        return [line for line in self.lines() if line["logger"] == "cni.agent.log"]

    def errors(self) -> list[dict[str, Any]]:
        """Return what its log says of defects of its own."""
        return [line for line in self.lines() if "traceback" in line]

    def page(self, path: str = "/metrics") -> str:
        """Return one of its pages."""
        pages: list[str] = []

        def is_served() -> bool:
            with NetNS(nspath=self._runtime.node.path), suppress(ConnectionRefusedError):
                connection = HTTPConnection("127.0.0.1", PORT, timeout=PATIENCE)
                connection.request("GET", path)
                pages.append(connection.getresponse().read().decode())
                connection.close()
            return bool(pages)

        wait_until(is_served, f"a page {path} ({self._log})")  # a moment after the socket
        return pages[0]

    def figure(self, series: str) -> float:
        """Return the value of a series such as `railcni_slots{fabric="f",state="held"}`."""
        found = [line for line in self.page().splitlines() if line.startswith(f"{series} ")]
        assert len(found) == 1, (series, found)
        return float(found[0].rpartition(" ")[2])

    def _start(self) -> subprocess.Popen[bytes]:
        begun = len(self._listening())
        with self._log.open("ab") as log:
            process = self._execute(log)
        wait_until(lambda: len(self._listening()) > begun, f"an agent ({self._log})", PATIENCE)
        return process

    def _execute(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        command = [*self._runtime.command("rail-agent"), *self._words]
        environ = self._runtime.environment("none")
        return subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )

    def _listening(self) -> list[str]:
        text = self._log.read_text() if self._log.exists() else ""
        return [line for line in text.splitlines() if '"serving, bundle' in line]


@contextmanager
def running(runtime: Runtime, folder: Path, wrapper: tuple[str, ...] = ()) -> Iterator[Agent]:
    """Let an agent run; it must end in peace."""
    agent = Agent(runtime, folder, wrapper=wrapper)
    try:
        yield agent
        agent.stop()
    finally:
        if agent.process.poll() is None:
            agent.kill()
