"""docs/doctor.md has every check by its name, and none that is not there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
MAKERS = {"error": 0, "warning": 0, "info": 0, "ok": 0, "Finding": 1, "Refusal": 0}
"""What makes a finding, and which argument is the check's name."""
NAME = re.compile(r"`([a-z0-9]+(?:-[a-z0-9]+)*)`")


def made() -> Iterator[str]:
    """Yield the name of each check, as the code has it."""
    for file in (ROOT / "install/doctor").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                position = MAKERS.get(node.func.id, len(node.args))
                if position < len(node.args):
                    argument = node.args[position]
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value


def described() -> Iterator[str]:
    """Yield the names in the first column of its tables, and those that it only lists."""
    text = (ROOT / "docs/doctor.md").read_text(encoding="utf-8")
    _, _, checks = text.partition("## What it looks at")
    for line in checks.splitlines():
        if line.startswith("| `"):
            yield from NAME.findall(line.split("|")[1])
    wifi = checks.partition("### WiFi")[2].partition("##")[0]
    yield from NAME.findall(wifi)
    rest = checks.partition("## Long packets")[2]
    yield from (name for name in NAME.findall(rest) if name in {*made()})


def test_every_check_is_described_and_nothing_else() -> None:
    assert {*described()} - {*made()} == set()
    assert {*made()} - {*described()} == set()
