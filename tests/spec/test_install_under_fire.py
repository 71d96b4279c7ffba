"""Upgrades and rollbacks while a runtime starts and stops pods: no request notices.

Requests go through the installed links all the time, one after the other on each of several
workbenches, as kubelet's workers do.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from install.installer.layout import KEPT
from tests.spec.agent import Agent
from tests.spec.installation import Installation, bundle_of
from tests.spec.node import Node, wait_until
from tests.spec.runtime import DEBIANS, Runtime, Slot, rail

pytestmark = pytest.mark.netns

REQUESTS = 200
"""ADD and DEL together, at least."""
UPGRADES = 10
WORKBENCHES = 2
PAUSE = 0.25
"""Seconds between a workbench's requests: the installer is to have a share of the processors."""


@pytest.fixture
def installation(tmp_path: Path, bundle: Path) -> Installation:
    made = Installation(tmp_path / "node")
    made.install(bundle)
    return made


@pytest.fixture
def installed_runtime(node: Node, installation: Installation) -> Runtime:
    environ = installation.environment()
    state = Path(environ.pop("RAILCNI_STATE_DIR"))
    return Runtime(node, state, (installation.bin, DEBIANS), environ=environ)


def test_no_request_fails_while_versions_come_and_go(
    installation: Installation, installed_runtime: Runtime, bundle: Path, tmp_path: Path
) -> None:
    """An agent makes way each time; until then it refuses what another version asks."""
    runtime, first, is_over = installed_runtime, installation.current, threading.Event()
    with supervised(runtime, tmp_path) as serving, ThreadPoolExecutor() as workers:
        benches = [workers.submit(_add_and_delete, runtime, n, is_over) for n in range(WORKBENCHES)]
        asker = workers.submit(_ask_for_the_version, installation, is_over)
        try:
            for number in range(UPGRADES):
                later = bundle_of(bundle.parent, tmp_path / "later", f"{number:016x}")
                installation.install(later)
                assert installation.current.endswith(f"{number:016x}")
                shutil.rmtree(later.parent)
                code, stdout, stderr = installation.run(installation.bin, "rollback")
                assert code == 0, (stdout, stderr)
                assert installation.current == first
        finally:
            is_over.set()
        assert sum(bench.result() for bench in benches) >= REQUESTS
        assert asker.result() >= REQUESTS
        installation.install(bundle_of(bundle.parent, tmp_path / "later", "f" * 16))
        wait_until(lambda: serving() == "f" * 16, "an agent of that version", 60)
    present = {folder.name for folder in installation.versions.iterdir()}
    assert {first, installation.current} < present
    assert len(present) <= 1 + KEPT, "nobody needs the others any more"
    assert runtime.records() == []
    assert runtime.held() == []


def _add_and_delete(runtime: Runtime, number: int, is_over: threading.Event) -> int:
    """Make requests until it is over and there were enough; return how many there were."""
    pod, device = runtime.node.pod(), runtime.node.device()
    before = runtime.node.link(device)
    config, slot = rail(device), Slot(pod.path, f"c{number}")
    made = 0
    while not is_over.wait(PAUSE) or made < REQUESTS / WORKBENCHES:
        for call in (runtime.add, runtime.delete):
            reply = call(config, slot)
            made += 1
            assert reply.exit_code == 0, (made, reply)
    assert pod.links() == ["lo"]
    assert runtime.node.link(device) == before
    return made


def _ask_for_the_version(installation: Installation, is_over: threading.Event) -> int:
    """Ask all the time: it takes ten milliseconds, so that no gap goes unseen that is as long."""
    asked = 0
    while not is_over.wait(PAUSE / 5):
        assert installation.answers("rail-ipam"), asked
        asked += 1
    return asked


@contextmanager
def supervised(runtime: Runtime, folder: Path) -> Iterator[Callable[[], str]]:
    """Let an agent run, and start it again when it has made way, as kubelet does.

    Yields:
        What tells which build serves now.
    """
    agent = Agent(runtime, folder, "--make-way")
    over = threading.Event()

    def supervise() -> None:
        while not over.wait(0.05):
            if agent.process.poll() is not None:
                assert agent.process.returncode == 0, agent.lines()[-1]
                agent.restart()

    def build() -> str:
        said = [line["message"] for line in agent.lines() if "serving, bundle" in line["message"]]
        return str(said[-1].rpartition(" ")[2])

    with ThreadPoolExecutor(1) as workers:
        supervisor = workers.submit(supervise)
        try:
            yield build
        finally:
            over.set()
            supervisor.result()
            agent.stop()
    assert agent.served(), "some were served by it"
