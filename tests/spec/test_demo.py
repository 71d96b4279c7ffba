"""`make demo` leaves nothing behind, however it ends."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.demo.stage import NODE, PODS, PREFIX, RAILS
from tests.spec.node import PATIENCE, run, wait_until
from tests.spec.runtime import ROOT

pytestmark = pytest.mark.netns


@pytest.fixture(autouse=True)
def _only_one(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let one demo run at a time: its namespaces have fixed names."""
    del bundle
    shared = tmp_path_factory.getbasetemp().parent  # of all workers of one test run
    with (shared / "railcni-demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start the demo, its temporary files in a folder of ours."""
    folder.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, "-m", "deploy.demo"],
        cwd=ROOT, env=os.environ | {"TMPDIR": str(folder), "COLUMNS": "120"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for the end of a demo that nobody disturbs any more; return the rest of its stdout."""
    shown, problems = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, problems
    return shown


def stages() -> list[str]:
    """Return the namespaces of the demo."""
    return [name for name in run("ip", "netns", "list").split() if name.startswith(PREFIX)]


def test_it_shows_the_rails_and_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as process:
        shown = finish(process)
    for rail in RAILS:
        assert len(re.findall(rf"│ net\d +│ {rail} +│ [\d.]+/16 +│ 9000 │", shown)) == len(PODS)
        assert re.search(rf"^{rail} .*: 3 of 3 pings of 8972 bytes", shown, re.MULTILINE)
    assert shown.count("one default route: default via") == len(PODS)
    assert f"{len(PODS) * len(RAILS)} devices are on the node again, exactly as they were" in shown
    assert (stages(), list((tmp_path / "demo").iterdir())) == ([], [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_clears_the_stage_when_it_is_interrupted(tmp_path: Path, number: int) -> None:
    with demo(tmp_path / "demo") as process:
        assert process.stdout is not None
        assert "Two training pods" in process.stdout.readline()  # the pods have their rails
        assert set(stages()) == {NODE, *PODS}
        process.send_signal(number)
        process.communicate(timeout=PATIENCE)
        assert process.returncode != 0
    assert (stages(), list((tmp_path / "demo").iterdir())) == ([], [])


def test_it_clears_the_stage_when_it_is_interrupted_while_building_it(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as process:
        wait_until(lambda: NODE in stages(), "a stage")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        assert process.returncode != 0
    assert (stages(), list((tmp_path / "demo").iterdir())) == ([], [])


def test_what_a_killed_demo_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    with demo(tmp_path / "demo") as process:
        wait_until(lambda: NODE in stages(), "a stage")
    assert NODE in stages()
    with demo(tmp_path / "next") as process:
        finish(process)
    assert stages() == []
