"""Run tests in the laboratory, a measurement, or a shell.

`python -m tests.vm [--shell | --bench PAIRS | pytest's arguments]`
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tests.vm import commands, recipe
from tests.vm.apt import UnavailableError
from tests.vm.build import build
from tests.vm.cache import cache_folder, locked, obtain
from tests.vm.machine import Machine
from tests.vm.report import summary
from tests.vm.unpacked import Root
from tests.vm.watching import watch

CHECKOUT = Path(__file__).parents[2]
PROGRAMS = CHECKOUT / "dist/bin"
RESULTS = CHECKOUT / ".cache/lab"
HARD_SECONDS = commands.SECONDS + 60
"""After which the virtual machines are killed."""
MACHINES = 2
"""At most, so that the tests are done sooner: each keeps a processor busy."""
NOT_NEEDED = (
    ".git", ".cache", ".hypothesis", ".*_cache", "build", ".venv/bin",
    *(
        f".venv/lib/*/site-packages/{name}"
        for name in ("*mypy*", "*yinstaller*", "PyInstaller", "grimp", "pip", "setuptools")
    ),
)  # fmt: skip
"""Of the checkout, in the guest."""

console = Console(highlight=False, markup=False, soft_wrap=True)


def main(words: Sequence[str]) -> int:
    """Return the exit code: pytest's own, or 0 where there can be no laboratory."""
    shell, bench = list(words) == ["--shell"], list(words[:1]) == ["--bench"]
    if not (PROGRAMS / "rail-sriov").exists():
        console.print(f"{PROGRAMS} has no programs: make build")
        return 1
    files = set() if shell or bench else _collect(words)
    try:
        built = _obtain()
    except UnavailableError as error:
        in_ci = os.environ.get("CI") == "true"
        consequence = "in CI no test is skipped" if in_ci else "its tests are skipped"
        console.print(f"The laboratory cannot be built here, {consequence}: {error}")
        return 1 if in_ci else 0
    with locked(RESULTS.with_suffix(".lock"), lambda: _wait_for("run in this checkout")):
        _prepare(_shell() if shell else _bench(words[1]) if bench else _pytest(words))
        with _snapshot(Root(built / "tools")) as snapshot:
            if shell:
                return _talk(Machine(built, RESULTS, snapshot))
            if bench:
                return _measure(Machine(built, RESULTS, snapshot))
            count = min(MACHINES, len(files), len(os.sched_getaffinity(0)))
            return _judge([Machine(built, RESULTS, snapshot, n) for n in range(count)], files)


def _wait_for(what: str) -> None:
    console.print(f"Waiting for another {what} …")


def _collect(words: Sequence[str]) -> set[str]:
    """Let pytest collect the tests on the machine: what is wrong with them shows at once.

    The compiled modules that this leaves are in the guest's image, which need not compile them.

    Returns:
        the names of the files that have tests to run.
    """
    command = [
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *commands.tests(words),
        "--collect-only", "--verbosity=-1",
    ]  # fmt: skip
    environment = os.environ | commands.PYTEST_ENVIRONMENT
    done = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, env=environment, check=False
    )
    if done.returncode:
        console.print(done.stdout + done.stderr)
        sys.exit(done.returncode)
    return set(re.findall(rf"^{commands.SUITE}/(\w+\.py)\b", done.stdout, re.MULTILINE))


def _obtain() -> Path:
    if platform.machine() != "x86_64":
        raise UnavailableError(f"its programs are for x86-64, and this is {platform.machine()}")

    def announced(folder: Path) -> None:
        console.print("Building the laboratory from Debian packages …")
        build(folder)

    cache = cache_folder()
    with locked(cache / "lock", lambda: _wait_for("build of the laboratory")):
        return obtain(cache, recipe.key(), announced)


def _prepare(command: str) -> None:
    shutil.rmtree(RESULTS, ignore_errors=True)
    (RESULTS / "begun").mkdir(parents=True)
    (RESULTS / "checkout").write_text(f"{CHECKOUT}\n", encoding="utf-8")
    (RESULTS / "command").write_text(command, encoding="utf-8")


def _packages() -> Path:
    (packages,) = CHECKOUT.glob(".venv/lib/python3*/site-packages")
    return packages


def _bench(pairs: str) -> str:
    return commands.bench(int(pairs), _packages())


def _pytest(words: Sequence[str]) -> str:
    return commands.pytest(
        words, _packages(), columns=console.width, color=console.color_system is not None
    )


def _shell() -> str:
    return commands.shell(PROGRAMS, columns=console.width, lines=console.height)


@contextmanager
def _snapshot(tools: Root) -> Iterator[int]:
    """Make an image of the checkout as it is now; it has no name that could be left behind."""
    image = RESULTS / "checkout.image"
    tools.squash(CHECKOUT, image, *NOT_NEEDED)
    with image.open("rb") as opened:
        image.unlink()
        yield opened.fileno()


def _talk(machine: Machine) -> int:
    with machine.running(interactive=True) as process:
        return process.wait()


def _measure(machine: Machine) -> int:
    watch([machine], HARD_SECONDS, sys.stdout.buffer)
    return _code(machine)


def _judge(machines: Sequence[Machine], files: set[str]) -> int:
    """Let pytest run in guests that share the files, show what it prints, say what it found."""
    watch(machines, HARD_SECONDS, sys.stdout.buffer)
    junits = [machine.folder / "junit.xml" for machine in machines]
    console.print(*summary(junit for junit in junits if junit.exists()), sep="\n")
    codes = [_code(machine) for machine in machines]
    if commands.OUT_OF_TIME in codes:
        console.print(f"The tests were stopped after {commands.SECONDS} s.")
    begun = {folder.name for folder in (RESULTS / "begun").iterdir()}
    if not any(codes) and files - begun:
        console.print(f"Nobody has run {', '.join(sorted(files - begun))}.")
        codes.append(1)
    console.print(f"Logs are in {RESULTS.relative_to(CHECKOUT)}/")
    return next((code for code in codes if code), 0)


def _code(machine: Machine) -> int:
    """Return the exit code of a guest's pytest; say what is known of a guest that left none."""
    verdict = machine.folder / "verdict"
    if verdict.exists():
        return int(verdict.read_text(encoding="utf-8"))
    console.print(f"{machine.name} died, or was killed because it hung:")
    for log in machine.logs:
        console.print(*log.read_text(errors="replace").splitlines()[-20:], sep="\n")
    return 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
