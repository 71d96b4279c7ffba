"""Debian's Prometheus, in a network namespace, with our rules."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from netns import NetNS

from deploy.monitoring.manifest import RULES
from tests.netns.agent import wait_until
from tests.netns.namespace import PATIENCE, Namespace

_PORT = 9090


class Prometheus:
    """A running server.

    Args:
        program: its executable.
        folder: for its files.
        space: where it runs.
        targets: HOST:PORT of each node's agent.
        interval: of scrapes and rules, in seconds.
    """

    def __init__(
        self, program: str, folder: Path, space: Namespace, targets: Mapping[str, str],
        interval: float = 1,
    ) -> None:  # fmt: skip
        self._space = space
        folder.mkdir()
        self._log = folder / "log"
        config = folder / "prometheus.yml"
        config.write_text(yaml.safe_dump(_configuration(targets, f"{interval:g}s")))
        command = [
            program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{_PORT}", "--log.level=warn",
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["ip", "netns", "exec", space.name, *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._is_ready, self._log.read_text)

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(PATIENCE)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def values(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the values that an expression has now, by some of its labels."""
        return {
            tuple(one["metric"].get(label, "") for label in labels): float(one["value"][1])
            for one in self.query(expression)
        }

    def ask(self, what: str, **parameters: str) -> Any:
        """Return what a page of the HTTP API has; what it refuses is an error."""
        status, body = self._get(f"/api/v1/{what}?{urlencode(parameters)}")
        answer = json.loads(body)
        assert (status, answer["status"]) == (200, "success"), (parameters, answer)
        return answer["data"]

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return self._get("/-/ready")[0] == 200
        except OSError:
            return False

    def _get(self, path: str) -> tuple[int, bytes]:
        with NetNS(nspath=f"/run/netns/{self._space.name}"):
            connection = HTTPConnection("127.0.0.1", _PORT, timeout=PATIENCE)
            connection.connect()
        with closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()


def _configuration(targets: Mapping[str, str], interval: str) -> dict[str, Any]:
    static = [{"targets": [target], "labels": {"node": name}} for name, target in targets.items()]
    return {
        "global": {
            "scrape_interval": interval, "scrape_timeout": interval,
            "evaluation_interval": interval,
        },
        "rule_files": [str(file) for file in RULES],
        "scrape_configs": [{"job_name": "rail-agent", "static_configs": static}],
    }  # fmt: skip
