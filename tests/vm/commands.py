"""What the guest is told to do: shell code that its first process runs."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

SUITE = "tests/vm/suite"
PYTEST_ENVIRONMENT = {
    "RAILCNI_LAB": "1",  # else the suite is not collected
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # importing them takes the guest seconds
}
SECONDS = 1500
"""After which pytest is stopped, while there is time to bring back what it has found."""
RESULT = "bench.json"
"""What a measurement leaves among the results."""
OUT_OF_TIME = 124
"""The exit code then (timeout(1))."""


def tests(words: Sequence[str]) -> list[str]:
    """Return pytest's arguments: all of the suite, unless `words` name some of its tests."""
    named = any(word.startswith(SUITE) for word in words)
    return [*words] if named else [SUITE, *words]


def pytest(words: Sequence[str], packages: Path, *, columns: int, color: bool) -> str:
    """Return the command that runs tests.

    Args:
        words: pytest's arguments.
        packages: where its modules are.
        columns: how wide the terminal is.
        color: whether it shows colours.
    """
    asked = {name: os.environ[name] for name in os.environ if name.startswith("RAILCNI_LAB_")}
    environment = PYTEST_ENVIRONMENT | asked
    environment |= {"PYTHONPATH": str(packages), "COLUMNS": str(columns)}
    command = [
        "timeout", "--signal=INT", "--kill-after=20", str(SECONDS),
        "env", *(f"{name}={value}" for name, value in environment.items()),
        "python3", "-m", "pytest", "--no-header", "-rN",
        f"--color={'yes' if color else 'no'}", "-p", "no:cacheprovider", *tests(words),
    ]  # fmt: skip
    return f'exec {shlex.join(command)} --junitxml="/lab/$GUEST/junit.xml"\n'


def bench(rounds: int, packages: Path) -> str:
    """Return the command that measures `rounds` pairs, and leaves them in `RESULT`."""
    words = ["env", f"PYTHONPATH={packages}", "python3", "-m", "tests.vm.bench", str(rounds)]
    return f"exec {shlex.join(words)} /lab/{RESULT}\n"


def shell(programs: Path, *, columns: int, lines: int) -> str:
    """Return the command that runs an interactive shell.

    Args:
        programs: the folder of the frozen programs.
        columns: how wide the terminal is.
        lines: how high it is.
    """
    quoted = shlex.quote(str(programs))
    return f"""\
stty columns {columns} rows {lines}
export PATH={quoted}:$PATH CNI_PATH={quoted}:/usr/lib/cni TERM=linux
echo 'This is the laboratory; `exit` switches it off.'
exec bash -i
"""
