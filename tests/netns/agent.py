"""A node's rail-agent, with folders of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from netns import NetNS

from tests.netns.cluster import DEBIANS, ROOT, Node
from tests.netns.namespace import PATIENCE

KEY = "5f" * 32
_PORT = 9753
_ANSWERS = 2
"""Seconds that a page may take."""
_SERVING = "serving, bundle"


class Agent:
    """The agent of one node; it may be running or not.

    Args:
        node: where.
        folder: for its files.
        settings: its `[hostgw]` section but for what the test's folders decide.
        general: settings outside of it.
    """

    def __init__(
        self,
        node: Node,
        folder: Path,
        settings: Mapping[str, Any],
        general: Mapping[str, Any] | None = None,
    ) -> None:
        self.node = node
        self.settings = dict(settings)
        self.process: subprocess.Popen[bytes] | None = None
        self.folder = folder / f"node{node.number}"
        """Its files."""
        self.folder.mkdir(parents=True)
        self._general = dict(general or {})
        self._log = self.folder / "agent.log"
        self._starts = 0

    @property
    def environ(self) -> dict[str, str]:
        """The environment of the node's programs."""
        return {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT),
            "RAILCNI_STATE_DIR": str(self.folder / "state"),
            "RAILCNI_CONFIG_DIR": str(self.folder),
            "RAILCNI_LOG_DIR": str(self.folder),
        }  # fmt: skip

    def start(self, key: str = KEY, **more: Any) -> None:
        """Start it, and wait until it answers.

        Args:
            key: what nodes recognise each other by.
            more: settings that are others, this time.
        """
        self.begin(key, **more)
        self.wait()

    def begin(self, key: str = KEY, **more: Any) -> None:
        """Start it, and wait for nothing."""
        self._configure(key, self.settings | more)
        self._starts = self.log().count(_SERVING) + 1
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self.node.command("rail-agent"),
                env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def wait(self) -> None:
        """Wait until it answers."""
        wait_until(lambda: self.log().count(_SERVING) >= self._starts, self.log)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process
        self.process.send_signal(number)

    def stop(self) -> None:
        """End it as a service manager does; it ends in peace."""
        self.send(signal.SIGTERM)
        assert self.process
        assert self.process.wait(PATIENCE) == 0, self.log()
        self.process = None

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        if self.process:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    @property
    def is_running(self) -> bool:
        """Whether it was started, and has not ended since."""
        return self.process is not None and self.process.poll() is None

    def page(self, path: str) -> str:
        """Return one of its pages; empty while none is served."""
        try:
            with NetNS(nspath=f"/run/netns/{self.node.host.name}"):
                connection = HTTPConnection("127.0.0.1", _PORT, timeout=_ANSWERS)
                connection.connect()
            with closing(connection):
                connection.request("GET", path)
                return connection.getresponse().read().decode()
        except OSError:
            return ""

    def peers(self) -> dict[str, dict[str, Any]]:
        """Return what it says of each peer, by the pods' network; nothing while it says nothing."""
        page = self.page("/peers")
        return {peer["peer"]: peer for peer in json.loads(page)["peers"]} if page else {}

    def log(self) -> str:
        """Return its log, of all its lives."""
        return self._log.read_text() if self._log.exists() else ""

    def _configure(self, key: str, settings: Mapping[str, Any]) -> None:
        file = self.folder / "hostgw.key"
        file.touch(0o600)
        file.write_text(f"{key}\n")
        conflist = self.folder / "10-flannel.conflist"
        conflist.write_text(json.dumps(self.node.conflist(self.folder / "addresses")))
        section = {"keyFile": str(file), "conflist": str(conflist), **settings}
        general = {
            "metrics": f"127.0.0.1:{_PORT}", "cniPath": [DEBIANS], "logLevel": "debug",
            **self._general,
        }  # fmt: skip
        lines = [
            *(f"{name} = {_toml(value)}" for name, value in general.items()),
            "[hostgw]", *(f"{name} = {_toml(value)}" for name, value in section.items()),
        ]  # fmt: skip
        (self.folder / "agent.toml").write_text("\n".join(lines) + "\n")


def _toml(value: object) -> str:
    """Return a value in TOML, whose scalars and lists are JSON's."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(each)}' for key, each in value.items())} }}"
    return json.dumps(value)


def wait_until(holds: Callable[[], bool], what: Callable[[], str]) -> float:
    """Wait until something holds; return how many seconds that took.

    Args:
        holds: whether it does.
        what: says, when it takes too long, what was found instead.
    """
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > PATIENCE:
            raise AssertionError(what())
        time.sleep(0.05)
    return time.monotonic() - began
