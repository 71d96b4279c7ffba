"""rail-agent in a container of its node: it becomes the node's own, and sees what the node sees.

The node is a pid and a mount namespace of its own here, whose first process stands for its init.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.spec.node import Node, run, wait_until
from tests.spec.runtime import PROGRAMS, Runtime, Slot, rail

pytestmark = pytest.mark.netns

LONG = 60.0
"""Seconds; what has lost its namespace is freed after two looks, ten seconds apart."""


@dataclass(frozen=True, slots=True)
class Host:
    """A node's processes and mounts."""

    init: int
    bundle: Path
    """Where the bundle is installed, in the node's mount namespace only."""

    @property
    def inside(self) -> tuple[str, ...]:
        """What executes a program on the node."""
        return ("nsenter", "--target", str(self.init), "--mount", "--pid", "--net")

    def start_container(self, runtime: Runtime, log: Path, *more: str) -> subprocess.Popen[bytes]:
        """Start the image's rail-agent, in a mount namespace that has no bundle installed."""
        script = f"umount {self.bundle} && exec {PROGRAMS}/rail-agent {' '.join(more)}"
        with log.open("wb") as stream:
            return subprocess.Popen(
                [*self.inside, "unshare", "--mount", "sh", "-c", script],
                env=runtime.environment("none"), stdout=stream, stderr=stream,
            )  # fmt: skip


@pytest.fixture
def host(node: Node, bundle: Path, tmp_path: Path) -> Iterator[Host]:
    (installed := tmp_path / "opt").mkdir()
    script = f"mount --bind {bundle.parent}/railcni {installed} && echo up && exec sleep infinity"
    process = subprocess.Popen(
        ["nsenter", f"--net={node.path}", "unshare", "--mount", "--pid", "--fork",
         "--kill-child", "--mount-proc", "sh", "-c", script],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield Host(int(children), installed)
    finally:
        process.kill()
        process.communicate()


@contextmanager
def agent(host: Host, runtime: Runtime, tmp_path: Path) -> Iterator[Path]:
    """Let the agent run in its container; yield its log."""
    log = tmp_path / "agent.log"
    words = ("--node", "--bundle", f"{host.bundle}/railcni")
    process = host.start_container(runtime, log, *words)
    try:
        wait_until(lambda: "serving, bundle" in log.read_text(), f"an agent: {log}", LONG)
        yield log
    finally:
        process.terminate()
        process.wait(LONG)


def test_it_serves_and_frees_what_lost_its_namespace(
    host: Host, node: Node, plain_runtime: Runtime, tmp_path: Path
) -> None:
    (config := tmp_path / "config").mkdir(mode=0o700)
    (config / "agent.toml").write_text("grace = 5\n")
    runtime = replace(plain_runtime, wrapper=host.inside)
    device = node.device()
    with agent(host, runtime, tmp_path) as log:
        pod = _pod_of(host)
        try:
            assert runtime.add(rail(device), Slot(pod)).exit_code == 0
            assert '"ADD roce-a' in log.read_text()
            assert "no attachment is freed" not in log.read_text()
            assert device not in node.links()
        finally:
            run(*host.inside, "ip", "netns", "delete", Path(pod).name)
        wait_until(lambda: runtime.records() == [], f"repair: {log}", LONG)
    assert runtime.held() == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--node", "--bundle", "/nowhere/railcni"), "install the bundle first"),
        (("--nowhere",), "unrecognized arguments"),
    ],
)
def test_what_a_container_lacks_is_said(
    host: Host, plain_runtime: Runtime, tmp_path: Path, words: tuple[str, ...], expected: str
) -> None:
    log = tmp_path / "agent.log"
    process = host.start_container(plain_runtime, log, *words)
    assert process.wait(LONG) != 0
    assert expected in log.read_text()


def test_a_container_with_a_network_of_its_own_is_told_so(
    host: Host, plain_runtime: Runtime
) -> None:
    done = subprocess.run(
        [*host.inside, "unshare", "--net", f"{PROGRAMS}/rail-agent", "--node"],
        env=plain_runtime.environment("none"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "set hostNetwork: true" in done.stderr) == (1, True), done.stderr


def test_a_container_without_rights_is_told_so(host: Host, plain_runtime: Runtime) -> None:
    done = subprocess.run(
        [*host.inside, "setpriv", "--bounding-set=-sys_ptrace,-sys_admin",
         f"{PROGRAMS}/rail-agent", "--node"],
        env=plain_runtime.environment("none"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = "rail-agent: the node's first process cannot be looked at: Permission denied"
    assert done.stderr.startswith(said), done.stderr
    assert (done.returncode, "set hostPID: true and privileged: true" in done.stderr) == (1, True)


def test_a_container_with_processes_of_its_own_is_told_so(
    node: Node, plain_runtime: Runtime
) -> None:
    done = subprocess.run(
        ["nsenter", f"--net={node.path}", "unshare", "--mount", "--pid", "--fork", "--mount-proc",
         "sh", "-c", f"{PROGRAMS}/rail-agent --node; exit $?"],
        env=plain_runtime.environment("none"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, "set hostPID: true" in done.stderr) == (1, True), done.stderr


def _pod_of(host: Host) -> str:
    """Make a pod's namespace that is mounted on the node only; return its path."""
    name = f"railspec-pod-{host.init}"
    run(*host.inside, "ip", "netns", "add", name)
    return f"/run/netns/{name}"
