"""A plugin's process and the agent: who serves, who does not, and that nobody is left alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cni import wire
from tests.spec.agent import Agent, running
from tests.spec.flood import flood
from tests.spec.node import Namespace, Node, wait_until
from tests.spec.runtime import NOTHING, PROGRAMS, Runtime, Slot, rail, read_reply
from tests.spec.scripted import ScriptedIpam, answer

pytestmark = pytest.mark.netns

FLOOD = 10_000
LINES_OF_A_PIPE = 260
"""Of an agent's log, which are more than a pipe holds."""
CHANGES = 5
"""Of the agent, in the middle of requests."""


@pytest.fixture
def agent(plain_runtime: Runtime, tmp_path: Path) -> Iterator[Agent]:
    with running(plain_runtime, tmp_path) as made:
        yield made


@pytest.fixture
def pod(node: Node) -> Namespace:
    return node.pod()


def refused(agent: Agent, reason: str) -> float:
    return agent.figure(f'railcni_refused_total{{reason="{reason}"}}')


def test_it_serves_and_says_so(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace
) -> None:
    runtime, config, slot = plain_runtime, rail(node.device()), Slot(pod.path)
    before = node.link(str(config["device"]))
    added = runtime.add(config, slot)
    assert runtime.check(config, slot, added).exit_code == 0
    again = runtime.add(config, slot)
    assert again.error[0] == 11
    assert runtime.delete(config, slot).exit_code == 0
    assert (node.link(str(config["device"])), runtime.leftovers(pod)) == (before, NOTHING)

    served = agent.served()
    assert [line["command"] for line in served] == ["ADD", "CHECK", "ADD", "DEL"]
    assert {line["containerID"] for line in served} == {"c1"}
    assert served[0]["addresses"] == added.addresses
    assert served[0]["device"] == config["device"]
    assert {"parse", "ipam", "kernel", "total"} <= served[0]["ms"].keys()
    assert f"request {served[2]['id']} in the log of rail-agent" in again.details
    assert agent.figure('railcni_requests_total{command="ADD",program="rail-sriov"}') == 2
    assert agent.figure('railcni_errors_total{code="11",command="ADD",program="rail-sriov"}') == 1
    assert agent.figure('railcni_slots{fabric="10.60.0.0/16",state="quarantined"}') == 1
    assert agent.page("/healthz") == "ok\n"


def test_it_serves_rail_ipam_for_other_plugins(plain_runtime: Runtime, agent: Agent) -> None:
    config, slot = {**rail("-"), "type": "rail-ipam"}, Slot("/run/netns/elsewhere")
    added = plain_runtime.add(config, slot)
    assert len(added.addresses) == 1
    assert plain_runtime.held() == ["c1 net1"]
    assert plain_runtime.delete(config, slot).exit_code == 0
    assert [line["program"] for line in agent.served()] == ["rail-ipam"] * 2


def test_a_warning_reaches_the_runtime_as_without_an_agent(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace
) -> None:
    added = plain_runtime.add(rail(node.device(), unheardOf=1), Slot(pod.path))
    assert "unheardOf" in added.stderr
    assert len(agent.served()) == 1


def test_a_dead_one_is_not_missed(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace
) -> None:
    config, slot = rail(node.device()), Slot(pod.path)
    assert plain_runtime.add(config, slot).exit_code == 0
    agent.kill()
    assert agent.socket.exists()
    assert plain_runtime.delete(config, slot).exit_code == 0
    assert plain_runtime.leftovers(pod) == NOTHING
    agent.restart()
    assert len(agent.served()) == 1


def test_a_hung_one_costs_a_second(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace
) -> None:
    config, slot = rail(node.device()), Slot(pod.path)
    agent.process.send_signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert plain_runtime.add(config, slot).exit_code == 0
        hung = time.monotonic() - begun
    finally:
        agent.process.send_signal(signal.SIGCONT)
    agent.kill()
    begun = time.monotonic()
    assert plain_runtime.delete(config, slot).exit_code == 0
    dead = time.monotonic() - begun
    agent.restart()
    assert 1 < hung < 2 + 2 * dead
    assert agent.served() == []


def test_one_that_hangs_with_a_lock_in_its_hands_is_named(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace, gate: Gate
) -> None:
    runtime = gate.before(plain_runtime)
    config, slot = rail(node.device(), ipam={"type": "scripted"}), Slot(pod.path)
    process = runtime.start("ADD", config, slot)
    gate.reached()
    agent.process.send_signal(signal.SIGSTOP)
    try:
        code, message = read_reply(process, "ADD").error
        assert (code, "its reply is lost: no sign of life" in message) == (11, True)
        code, message = runtime.delete(config, slot).error
        assert (code, str(agent.process.pid) in message) == (11, True)
    finally:
        agent.process.send_signal(signal.SIGCONT)
    gate.open()
    wait_until(lambda: runtime.delete(config, slot).exit_code == 0, "the pod is gone", 30)
    assert runtime.leftovers(pod) == NOTHING


def test_another_bundle_does_its_own_work(
    node: Node, plain_runtime: Runtime, tmp_path: Path, pod: Namespace
) -> None:
    shutil.copytree(PROGRAMS.parent, tmp_path / "next", symlinks=True)
    build = tmp_path / "next/railcni/_internal/cni/build.py"
    build.write_text('BUILD = b"of another day"\n')
    older = replace(plain_runtime, path=(tmp_path / "next/bin", *plain_runtime.path))
    with running(older, tmp_path) as agent:
        config, slot = rail(node.device()), Slot(pod.path)
        assert plain_runtime.add(config, slot).exit_code == 0
        assert older.delete(config, slot).exit_code == 0
        assert [line["command"] for line in agent.served()] == ["DEL"]
        assert refused(agent, "other bundle") == 1


def test_one_of_another_network_namespace_does_its_own_work(
    plain_runtime: Runtime, agent: Agent
) -> None:
    stranger = Node()
    try:
        runtime, pod = replace(plain_runtime, node=stranger), stranger.pod()
        config, slot = rail(stranger.device()), Slot(pod.path)
        assert runtime.add(config, slot).exit_code == 0
        assert runtime.delete(config, slot).exit_code == 0
    finally:
        stranger.delete()
    assert refused(agent, "other network namespace") == 2
    assert agent.served() == []


def test_a_reply_that_is_lost_is_error_11_and_its_retry_succeeds(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace, gate: Gate
) -> None:
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    runtime, config = gate.before(plain_runtime), rail(device, ipam={"type": "scripted"})
    process = runtime.start("ADD", config, slot)
    gate.reached()
    agent.kill()
    reply = read_reply(process, "ADD")
    code, message = reply.error
    assert (code, "its reply is lost" in message) == (11, True)
    assert "try again" in reply.details
    gate.open()
    agent.restart()
    assert runtime.delete(config, slot).exit_code == 0
    assert (node.link(device), runtime.leftovers(pod)) == (before, NOTHING)
    gate.ipam.on("ADD", answer(ips=[{"address": "10.60.0.2/16"}]))
    assert runtime.add(config, slot).exit_code == 0


def test_an_ipam_plugin_that_outlives_the_agent_is_waited_for(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace, tmp_path: Path
) -> None:
    (store := tmp_path / "store").mkdir()
    ipam = ScriptedIpam(tmp_path / "plugins")
    held = answer(ips=[{"address": "10.60.0.2/16"}])
    ipam.on("ADD", f"sleep 2; touch {store}/10.60.0.2; {held}")
    ipam.on("DEL", f"rm -f {store}/10.60.0.2")
    runtime = replace(plain_runtime, path=(ipam.folder, *plain_runtime.path))
    config, slot = rail(node.device(), ipam={"type": "scripted"}), Slot(pod.path)
    process = runtime.start("ADD", config, slot)
    wait_until(lambda: "ADD" in ipam.commands, "its ADD")
    agent.kill()
    assert read_reply(process, "ADD").error[0] == 11
    assert runtime.delete(config, slot).exit_code == 0
    assert list(store.iterdir()) == []
    agent.restart()


def test_a_log_that_nobody_reads_holds_nobody_up(plain_runtime: Runtime) -> None:
    config, slot = {**rail("-"), "type": "rail-ipam"}, Slot("/run/netns/elsewhere")
    with subprocess.Popen(
        plain_runtime.command("rail-agent"), env=plain_runtime.environment("none"),
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            wait_until((plain_runtime.state / "agent.sock").exists, "an agent")
            for _ in range(LINES_OF_A_PIPE // 2):
                assert plain_runtime.add(config, slot).exit_code == 0
                assert plain_runtime.delete(config, slot).exit_code == 0
        finally:
            process.kill()
            assert process.stderr is not None
            lines = process.stderr.read().splitlines()
    assert LINES_OF_A_PIPE / 3 < len(lines) < LINES_OF_A_PIPE  # it was full


def test_no_request_fails_while_the_agent_is_changed(
    node: Node, plain_runtime: Runtime, agent: Agent
) -> None:
    workers = [_Worker(plain_runtime, node, number) for number in range(3)]
    with ExitStack() as stack:
        for worker in workers:
            stack.enter_context(worker)
        for _ in range(CHANGES):
            former = agent.process
            agent.restart()  # which takes the socket over
            former.send_signal(signal.SIGTERM)
            assert former.wait(60) == 0
    assert [worker.failures for worker in workers] == [[]] * len(workers)
    assert all(worker.rounds for worker in workers)
    assert plain_runtime.held() == []
    assert len({line["id"] for line in agent.served()}) > CHANGES


def test_a_plugin_in_a_chroot_of_the_host_is_served(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace, tmp_path: Path
) -> None:
    (root := tmp_path / "hostroot").mkdir()
    script = f"mount --rbind / {root} && exec chroot {root} $0"
    thick = replace(plain_runtime, wrapper=("unshare", "--mount", "sh", "-c", script))
    config, slot = rail(node.device()), Slot(pod.path)
    assert thick.add(config, slot).exit_code == 0
    assert thick.delete(config, slot).exit_code == 0
    assert [line["command"] for line in agent.served()] == ["ADD", "DEL"]


def test_a_flood_on_its_socket_harms_nobody(
    node: Node, plain_runtime: Runtime, agent: Agent, pod: Namespace
) -> None:
    config, slot = rail(node.device()), Slot(pod.path)

    def serve() -> None:
        assert plain_runtime.add(config, slot).exit_code == 0
        assert plain_runtime.delete(config, slot).exit_code == 0

    whole = wire.call(b"another bundle", 1, "rail-sriov", {b"CNI_COMMAND": b"ADD"}, b"{}")
    flood(str(agent.socket), whole, FLOOD, serve)
    served = len(agent.served())
    serve()
    assert len(agent.served()) == served + 2
    assert refused(agent, "malformed") > FLOOD / 10


def test_a_reload_reads_the_node_file_again(
    plain_runtime: Runtime, agent: Agent, tmp_path: Path
) -> None:
    folder = tmp_path / "config"
    folder.mkdir(mode=0o700)
    config: dict[str, Any] = {
        **rail("-"), "type": "rail-ipam", "ipam": {"fabric": "backend", "rail": "roce-a"},
    }  # fmt: skip
    slot = Slot("/run/netns/elsewhere")
    assert plain_runtime.add(config, slot).error[0] == 7
    (folder / "node.toml").write_text('[fabrics.backend.rails.roce-a]\nsubnet = "10.62.0.0/16"\n')
    agent.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any(line["message"] == "reloaded" for line in agent.lines()), "a reload")
    assert plain_runtime.add(config, slot).addresses == ["10.62.0.1/16"]
    assert plain_runtime.delete(config, slot).exit_code == 0
    assert len(agent.served()) == 3


class Gate:
    """An IPAM plugin whose ADD waits at a FIFO."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "gate"
        os.mkfifo(self._file)
        self._opened = -1
        self.ipam = ScriptedIpam(folder / "plugins")
        self.ipam.on("ADD", f"read end <{self._file}; {answer(ips=[])}")

    def before(self, runtime: Runtime) -> Runtime:
        """Return a runtime that has the plugin."""
        return replace(runtime, path=(self.ipam.folder, *runtime.path))

    def reached(self) -> None:
        """Wait until it waits."""

        def is_waiting() -> bool:
            try:
                self._opened = os.open(self._file, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # ENXIO: nobody reads
                return False
            return True

        wait_until(is_waiting, "the IPAM plugin waits")

    def open(self) -> None:
        """Let it go."""
        opened, self._opened = self._opened, -1
        if opened >= 0:
            os.close(opened)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    made = Gate(tmp_path)
    yield made
    made.open()


class _Worker:
    """A pod that starts and stops again and again."""

    def __init__(self, runtime: Runtime, node: Node, number: int) -> None:
        self._runtime = runtime
        self._slot = Slot(node.pod().path, f"c{number}")
        self._config = rail(node.device())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.rounds = 0
        self.failures: list[object] = []

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.is_set():
            for command in ("ADD", "DEL"):
                reply = self._runtime.call(command, self._config, self._slot)
                if reply.exit_code:
                    self.failures.append(reply)
            self.rounds += 1
