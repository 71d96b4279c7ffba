"""`railctl doctor wifi` on a node."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from tests.netns.cluster import ROOT, Node

_PATIENCE = 60


def doctor(node: Node, *options: str) -> dict[str, list[dict[str, Any]]]:
    """Call the doctor on a node; return its findings by check."""
    done = subprocess.run(
        node.command("railctl", "doctor", "wifi", "--output", "json", *options),
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=_PATIENCE,
    )  # fmt: skip
    assert done.stdout, done.stderr
    found: dict[str, list[dict[str, Any]]] = {}
    for one in json.loads(done.stdout):
        found.setdefault(one["check"], []).append(one)
    severities = {one["severity"] for findings in found.values() for one in findings}
    assert done.returncode == ("error" in severities), done.stderr
    return found
