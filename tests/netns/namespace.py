"""Network namespaces, and commands that run in them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

PATIENCE = 90
"""Seconds that anything may take on a busy machine."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace of ours."""

    name: str

    def run(self, *command: str) -> str:
        """Run a command in it; return what it printed."""
        return run("ip", "netns", "exec", self.name, *command)

    def ip(self, *words: str) -> str:
        """Call iproute2 there."""
        return run("ip", "-netns", self.name, *words)

    def show(self, *words: str) -> list[dict[str, Any]]:
        """Return what iproute2 shows there; nothing, where there is no such table."""
        try:
            shown = self.ip("-json", *words)
        except RuntimeError:
            return []
        listed: list[dict[str, Any]] = json.loads(shown or "[]")
        return listed

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Let a command run in it, whose output is read later."""
        with subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()


def run(*command: str) -> str:
    """Run a command; return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
