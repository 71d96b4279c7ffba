"""The agent's socket, with a service of the test behind it."""

from __future__ import annotations

import array
import errno
import os
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cni import wire
from cni.agent.caller import Caller
from cni.agent.server import Errand, Reply, Server
from cni.agent.socket_file import listening
from cni.agent.work import Work
from tests.spec.flood import connect, flood
from tests.spec.node import wait_until

PATIENCE = 10.0
FLOOD = 10_000


class Service:
    """Answers with what it was told; waits at a gate for programs named `slow`."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.calls: list[tuple[str, str]] = []
        self.arrivals: list[int] = []
        self.sent_away: list[str] = []
        self.gone = threading.Event()

    def refusal(self, call: wire.Call) -> str:
        return "other bundle" if call.build != b"this" else ""

    def refused(self, reason: str) -> None:
        self.sent_away.append(reason)

    def late(self, call: wire.Call, waited: float) -> Reply | None:
        return Reply(1, b"late", b"") if call.stdin == b"hurry" and waited > 0 else None

    def serve(self, errand: Errand) -> Reply:
        call, netns = errand.call, errand.netns
        self.arrivals.append(errand.arrived)
        self.calls.append((call.program, call.stdin.decode()))
        if call.program == "slow":
            assert self.gate.wait(PATIENCE)
        if call.program == "broken":
            raise MemoryError
        if call.program == "deserted":
            while errand.waiting() is not None:
                time.sleep(0.01)
            self.gone.set()
        text = os.read(netns, 100) if netns >= 0 else b"no namespace"
        return Reply(7, call.stdin, text)


class Stage:
    """A running server."""

    def __init__(self, folder: Path, service: Service, server: Server) -> None:
        self.path = str(folder / "agent.sock")
        self.service = service
        self.server = server

    @contextmanager
    def connected(self) -> Iterator[socket.socket]:
        with connect(self.path) as connection:
            yield connection

    def ask(self, program: str = "any", stdin: bytes = b"x", container: str = "c1") -> bytes:
        """Be a plugin's process; return all that comes after READY."""
        with self.connected() as connection:
            connection.sendall(hello(program, stdin, container))
            assert connection.recv(1) == wire.READY
            connection.sendall(wire.GO)
            return everything(connection)


def hello(
    program: str = "any", stdin: bytes = b"x", container: str = "c1", build: bytes = b"this"
) -> bytes:
    environ = {b"CNI_COMMAND": b"ADD", b"CNI_CONTAINERID": container.encode()}
    return wire.call(build, 1, program, environ, stdin)


def everything(connection: socket.socket) -> bytes:
    data = b""
    while more := connection.recv(1 << 16):
        data += more
    return data


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    service = Service()
    work = Work(at_once=4, waiting=4)
    with listening(tmp_path) as listener:
        server = Server(listener, service, work)
        thread = threading.Thread(target=server.run)
        thread.start()
        yield Stage(tmp_path, service, server)
        service.gate.set()
        server.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()
        server.close()
    work.finish(PATIENCE)


def test_a_call_is_answered(stage: Stage) -> None:
    assert wire.read_reply(stage.ask(stdin=b"hello")) == (7, b"hello", b"no namespace")


def test_a_descriptor_is_passed_and_closed(stage: Stage) -> None:
    read, write = os.pipe()
    os.write(write, b"through")
    with stage.connected() as connection:
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [read]).tobytes())
        connection.sendmsg([hello()], [rights])
        assert connection.recv(1) == wire.READY
        connection.sendall(wire.GO)
        assert wire.read_reply(everything(connection)) == (7, b"x", b"through")
    os.close(read)
    with pytest.raises(BrokenPipeError):  # else the agent still had it
        os.write(write, b"nobody reads")
    os.close(write)


def test_a_slow_one_gets_signs_of_life(stage: Stage) -> None:
    threading.Timer(4 * wire.BEAT, stage.service.gate.set).start()
    data = stage.ask("slow")
    assert data.startswith(wire.WORKING * 2)
    assert wire.read_reply(data) == (7, b"x", b"no namespace")


def test_another_bundle_is_sent_away(stage: Stage) -> None:
    with stage.connected() as connection:
        connection.sendall(hello(build=b"that"))
        assert everything(connection) == wire.REFUSED + b"other bundle"
    assert stage.service.calls == []


def test_without_go_nothing_is_begun(stage: Stage) -> None:
    with stage.connected() as connection:
        connection.sendall(hello())
        assert connection.recv(1) == wire.READY
    assert stage.ask(stdin=b"next")
    assert stage.service.calls == [("any", "next")]


def test_too_many_are_sent_away_and_come_again_later(stage: Stage) -> None:
    threads = [threading.Thread(target=stage.ask, args=("slow", b"x", f"c{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + PATIENCE
    while True:  # until all eight are taken
        with stage.connected() as connection:
            connection.sendall(hello(container="c9"))
            if connection.recv(1) == wire.REFUSED:
                assert everything(connection) == b"full"
                break
        assert time.monotonic() < deadline
    stage.service.gate.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert wire.read_reply(stage.ask(stdin=b"now"))


def test_a_service_that_breaks_down_answers_nothing_and_serves_the_next(stage: Stage) -> None:
    assert stage.ask("broken") == b""
    assert wire.read_reply(stage.ask())


def test_it_is_told_when_nobody_waits_any_more(stage: Stage) -> None:
    with stage.connected() as connection:
        connection.sendall(hello("deserted"))
        assert connection.recv(1) == wire.READY
        connection.sendall(wire.GO)
        assert connection.recv(1) == wire.WORKING
    assert stage.service.gone.wait(PATIENCE)


def test_who_was_told_that_it_is_served_is_served_though_the_agent_stops(stage: Stage) -> None:
    with stage.connected() as offered, stage.connected() as silent:
        offered.sendall(hello())
        assert offered.recv(1) == wire.READY
        stage.server.stop()
        assert everything(silent) == b""
        offered.sendall(wire.GO)
        assert wire.read_reply(everything(offered)) == (7, b"x", b"no namespace")


def test_a_request_arrived_when_it_said_go_and_not_when_its_turn_came(stage: Stage) -> None:
    slow = threading.Thread(target=stage.ask, args=("slow",))
    slow.start()
    wait_until(lambda: bool(stage.service.calls), "the first one is at it")
    behind = threading.Thread(target=stage.ask)
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    behind.start()
    time.sleep(0.5)
    turn = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    stage.service.gate.set()
    behind.join(PATIENCE)
    slow.join(PATIENCE)
    assert before < stage.service.arrivals[1] < turn


def test_who_waits_too_long_behind_another_is_answered_and_not_served(stage: Stage) -> None:
    slow = threading.Thread(target=stage.ask, args=("slow",))
    slow.start()
    wait_until(lambda: bool(stage.service.calls), "the first one is at it")
    assert wire.read_reply(stage.ask(stdin=b"hurry")) == (1, b"late", b"")
    stage.service.gate.set()
    slow.join(PATIENCE)
    assert stage.ask()
    assert ("any", "hurry") not in stage.service.calls


def test_who_comes_while_it_stops_is_refused_at_once(stage: Stage) -> None:
    slow = threading.Thread(target=stage.ask, args=("slow",))
    slow.start()
    wait_until(lambda: bool(stage.service.calls), "it is at it")
    stage.server.stop()

    def is_refused() -> bool:
        with socket.socket(socket.AF_UNIX) as late:
            return late.connect_ex(stage.path) == errno.ECONNREFUSED

    wait_until(is_refused, "nobody is taken")
    assert slow.is_alive()
    stage.service.gate.set()
    slow.join(PATIENCE)


def test_a_caller_whose_descriptor_is_lost_is_sent_back(stage: Stage) -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    caller = Caller(there, 0.0)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0]).tobytes())
    here.sendmsg([hello()], [rights])
    lowest = os.dup(0)
    os.close(lowest)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))  # no room for one more
    try:
        with pytest.raises(ConnectionResetError):
            caller.receive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    caller.close()
    here.close()
    assert stage.ask()


def test_a_flood_of_rubbish_and_half_open_connections_harms_nobody(stage: Stage) -> None:
    before = descriptors()

    def ask() -> None:
        assert wire.read_reply(stage.ask(stdin=b"honest")) == (7, b"honest", b"no namespace")

    flood(stage.path, hello(), FLOOD, ask)
    ask()
    deadline = time.monotonic() + PATIENCE
    while descriptors() > before + 10:
        assert time.monotonic() < deadline, "descriptors are leaked"
        time.sleep(0.05)
    assert {"malformed", "silent"} & set(stage.service.sent_away)


def test_nobody_but_root_is_listened_to() -> None:
    name = f"railcni-test-{os.getpid()}"
    service = Service()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")  # which has no permissions
        listener.listen()
        server = Server(listener, service, Work(1, 1))
        thread = threading.Thread(target=server.run)
        thread.start()
        script = (
            "import socket; s = socket.socket(socket.AF_UNIX); s.settimeout(10); "
            f"s.connect('\\0{name}'); print(s.recv(1))"
        )
        done = subprocess.run(
            ["/usr/bin/python3", "-c", script], user=65534, capture_output=True, text=True,
            check=False, timeout=PATIENCE,
        )  # fmt: skip
        server.stop()
        thread.join(PATIENCE)
        server.close()
    assert done.stdout == "b''\n", done.stderr
    assert service.sent_away == ["not root"]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
