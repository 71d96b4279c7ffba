"""stdin that says nothing, stdout that nobody reads, and signals in the middle of an ADD."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.spec.node import PATIENCE, Namespace, Node, wait_until
from tests.spec.runtime import NOTHING, Runtime, Slot, rail, read_reply
from tests.spec.scripted import ScriptedIpam, answer

pytestmark = pytest.mark.netns


@pytest.fixture
def pod(node: Node) -> Namespace:
    return node.pod()


@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
@pytest.mark.parametrize(
    "said",
    [b"", b" \n", b"{", b"[]", b'"roce-a"', b"\xff\xfe", b"\0", b'{"name": ' + b"[" * 100_000],
    ids=["nothing", "blanks", "half", "a list", "text", "no UTF-8", "a zero", "very deep"],
)
def test_a_configuration_that_is_none_is_refused(
    runtime: Runtime, pod: Namespace, command: str, said: bytes
) -> None:
    environ = runtime.environment(command, Slot(pod.path))
    done = subprocess.run(
        [runtime.path[0] / "rail-sriov"],
        input=said, env=environ, capture_output=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    error = json.loads(done.stdout)
    assert (done.returncode, error["code"]) == (1, 6)
    assert "the network configuration" in error["msg"]


def test_a_closed_stdin_says_nothing(runtime: Runtime, pod: Namespace) -> None:
    closed = replace(runtime, wrapper=("sh", "-c", "exec $0 <&-"))
    process = closed.execute("rail-sriov", runtime.environment("ADD", Slot(pod.path)))
    assert read_reply(process, "ADD").error[0] == 6


def test_with_a_closed_stdout_nothing_is_begun(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    device = node.device()
    closed = replace(runtime, wrapper=("sh", "-c", "exec $0 >&-"))
    process = closed.start("ADD", rail(device), Slot(pod.path))
    _, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "stdout is closed" in stderr) == (1, True)
    assert device in node.links()
    assert runtime.leftovers(pod) == NOTHING


@pytest.mark.parametrize("stream", [">/dev/full", "| true"], ids=["full", "of nobody"])
def test_a_reply_that_is_lost_is_a_failure_and_del_cleans_up(
    node: Node, runtime: Runtime, pod: Namespace, stream: str
) -> None:
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    # The reader is gone before the program has written: it ends without reading.
    script = f"set -o pipefail; $0 {stream}"
    lossy = replace(runtime, wrapper=("bash", "-c", script))
    process = lossy.start("ADD", rail(device), slot)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert (process.returncode, stdout) == (1, ""), stderr
    assert runtime.delete(rail(device), slot).exit_code == 0
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_in_the_middle_of_an_add_ends_it_and_del_cleans_up(
    node: Node, runtime: Runtime, pod: Namespace, gate: Gate, number: signal.Signals
) -> None:
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    config = rail(device, ipam={"type": "scripted"})
    runtime = replace(runtime, path=(gate.ipam.folder, *runtime.path))
    process = runtime.start("ADD", config, slot)
    with gate.reached():
        process.send_signal(number)
        stdout, _ = process.communicate(timeout=PATIENCE)
        assert (process.returncode != 0, stdout) == (True, "")
    # The IPAM plugin that it has left goes on, and its DEL is not before its ADD is over.
    assert runtime.delete(config, slot).exit_code == 0
    assert gate.ipam.commands[:2] == ["ADD", "DEL"]
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


@dataclass(frozen=True, slots=True)
class Gate:
    """A FIFO that the ADD of an IPAM plugin waits at."""

    file: Path
    ipam: ScriptedIpam

    @contextmanager
    def reached(self) -> Iterator[None]:
        """Wait until it has come there; let it go afterwards."""
        opened: list[int] = []

        def is_waiting() -> bool:
            with suppress(OSError):  # ENXIO: nobody reads
                opened.append(os.open(self.file, os.O_WRONLY | os.O_NONBLOCK))
            return bool(opened)

        wait_until(is_waiting, "the IPAM plugin waits")
        try:
            yield
        finally:
            os.close(opened[0])


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    os.mkfifo(file := tmp_path / "gate")
    ipam = ScriptedIpam(tmp_path / "plugins")
    ipam.on("ADD", f"read end <{file}; {answer(ips=[])}")
    return Gate(file, ipam)
