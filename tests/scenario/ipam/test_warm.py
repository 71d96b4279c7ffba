"""rail-ipam as the agent keeps it: many threads, other processes, a node file that changes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cni.host.paths import CONFIG_DIR, STATE_DIR, Paths
from cni.protocol import request as requests
from cni.protocol.errors import Code
from cni.protocol.request import Request
from cni.protocol.skel import Reply, serve
from ipam.agent.warm import WarmIpam
from ipam.plugin import RailIpam
from ipam.wiring import Wiring
from tests.scenario.ipam.given import refused
from tests.scenario.ipam.test_processes import STORM, environment

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node

LAN = {"type": "rail-ipam", "subnet": "10.0.0.0/24", "quarantine": 0}
DECLARED = {"type": "rail-ipam", "fabric": "backend", "rail": "a"}
NODE_FILE = '[fabrics.backend.rails.a]\nsubnet = "{}"\n'


class Kept(Wiring):
    """A wiring of which it is seen whether it is closed."""

    closed = 0

    def close(self) -> None:
        object.__setattr__(self, "closed", self.closed + 1)
        super().close()


@pytest.fixture
def paths(node: Node) -> Paths:
    return Paths(node.state, config=node.state / "etc")


@pytest.fixture
def made() -> list[Kept]:
    """The wirings that were made."""
    return []


@pytest.fixture
def warm(paths: Paths, made: list[Kept]) -> Iterator[WarmIpam]:
    def wire() -> Kept:
        made.append(Kept(paths, keep_open=True))
        return made[-1]

    with closing(WarmIpam(paths, lambda: None, wire)) as ipam:
        yield ipam


def declare(paths: Paths, subnet: str) -> None:
    """Write a node file in place, as an editor may do."""
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.node_file.write_text(NODE_FILE.format(subnet))
    paths.node_file.chmod(0o644)


def request(paths: Paths, command: str, container: str, ipam: object = LAN) -> Request:
    environ = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": container,
        "CNI_IFNAME": "net1",
        "CNI_NETNS": "/run/netns/any",
        "CNI_PATH": "/opt/cni/bin",
        STATE_DIR: str(paths.state),
        CONFIG_DIR: str(paths.config),
    }
    document = {"cniVersion": "1.1.0", "name": "lan", "ipam": ipam}
    return requests.read(environ, json.dumps(document).encode())


def address(warm: WarmIpam, paths: Paths, container: str, ipam: object = LAN) -> str:
    given = request(paths, "ADD", container, ipam)
    return str(warm.ipam(given).allocate(given).result.ips[0].address.ip)


def test_32_threads_and_a_process_never_have_one_slot_twice(
    node: Node, paths: Paths, warm: WarmIpam, made: list[Kept]
) -> None:
    holder: dict[str, str] = {}

    def work(thread: int) -> None:
        for number in range(12):
            container = f"t{thread}-{number}"
            given = address(warm, paths, container)
            assert holder.setdefault(given, container) == container, "held twice"
            assert address(warm, paths, container) == given
            if number % 4:
                del holder[given]
                warm.release(request(paths, "DEL", container))

    pipe = subprocess.PIPE
    storm = [sys.executable, str(STORM), "parallel", str(node.state), "40"]
    with (
        subprocess.Popen(storm, env=environment(), stdout=pipe, text=True) as other,
        ThreadPoolExecutor(32) as threads,
    ):
        for done in [threads.submit(work, thread) for thread in range(32)]:
            done.result()
        lines = [line.split() for line in other.communicate(timeout=60)[0].splitlines()]
    assert len(lines) == 40
    assert all(word == "hold" for word, *_ in lines)
    theirs = {where.partition("/")[0] for _, where, _ in lines}
    assert len(theirs) == 40
    assert not theirs & holder.keys()
    assert len(node.held()) == len(holder) + 40 == 32 * 3 + 40
    assert len(made) == 1
    node.audit()


def test_it_serves_rail_ipam_as_a_program(paths: Paths, warm: WarmIpam, node: Node) -> None:
    given = request(paths, "ADD", "c1")
    stdin = json.dumps(given.config).encode()

    def answer(command: str, *, wanted: bool = True) -> Reply:
        environ = {**given.environ, "CNI_COMMAND": command}
        return serve(lambda asked: warm.plugin(asked, None, lambda: wanted), environ, stdin)

    given_up = answer("ADD", wanted=False).document
    assert given_up
    assert (given_up["code"], node.journal.exists()) == (11, False)
    added = answer("ADD").document
    assert added
    assert added["ips"][0]["address"] == "10.0.0.1/24"
    assert (answer("DEL").exit_code, node.held()) == (0, set())


def test_the_journal_stays_open(paths: Paths, warm: WarmIpam, made: list[Kept]) -> None:
    address(warm, paths, "c1")
    connection = made[0]._kept._connection
    address(warm, paths, "c2")
    assert connection is made[0]._kept._connection is not None
    assert len(made) == 1


def test_a_node_file_that_changes_is_read_again(
    paths: Paths, warm: WarmIpam, made: list[Kept]
) -> None:
    with refused(Code.INVALID_CONFIG):
        address(warm, paths, "c1", DECLARED)
    declare(paths, "10.1.0.0/24")
    assert address(warm, paths, "c1", DECLARED) == "10.1.0.1"
    warm.release(request(paths, "DEL", "c1"))
    declare(paths, "10.2.0.0/24")
    with refused(Code.TRY_AGAIN, "still rest"):
        address(warm, paths, "c1", DECLARED | {"quarantine": 60})
    assert address(warm, paths, "c1", DECLARED | {"quarantine": 0}) == "10.2.0.2"
    assert [wiring.closed for wiring in made] == [1, 1, 0]


def test_one_that_others_may_write_is_refused(paths: Paths, warm: WarmIpam) -> None:
    declare(paths, "10.1.0.0/24")
    address(warm, paths, "c1", DECLARED)
    paths.node_file.chmod(0o666)
    with refused(Code.INVALID_CONFIG, "0666"):
        address(warm, paths, "c2", DECLARED)


def test_who_is_at_work_ends_with_what_he_began_with(
    paths: Paths, warm: WarmIpam, made: list[Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    release = RailIpam.release

    def slow(self: RailIpam, given: Request) -> None:
        begun.set()
        assert go_on.wait(10)
        release(self, given)

    address(warm, paths, "c1")
    monkeypatch.setattr(RailIpam, "release", slow)
    thread = threading.Thread(target=warm.release, args=(request(paths, "DEL", "c1"),))
    thread.start()
    assert begun.wait(10)
    declare(paths, "10.1.0.0/24")
    address(warm, paths, "c2")
    warm.close()
    assert [wiring.closed for wiring in made] == [0, 1]
    with warm.using():
        warm.close()
        assert [wiring.closed for wiring in made] == [0, 1, 0]
    assert [wiring.closed for wiring in made] == [0, 1, 1]
    go_on.set()
    thread.join()
    assert [wiring.closed for wiring in made] == [1, 1, 1]


def test_a_reload_makes_all_anew(paths: Paths, warm: WarmIpam, made: list[Kept]) -> None:
    address(warm, paths, "c1")
    warm.reload()
    for container in ("c2", "c3"):
        address(warm, paths, container)
    assert [wiring.closed for wiring in made] == [1, 0]
    assert made[0]._kept._connection is None


def test_a_request_of_other_folders_is_not_served_from_these(
    paths: Paths, warm: WarmIpam, made: list[Kept], tmp_path: Path
) -> None:
    other = Paths(tmp_path / "other", config=tmp_path / "other/etc")
    assert address(warm, other, "c1") == "10.0.0.1"
    assert other.journal.exists()
    assert not paths.journal.exists()
    assert made == []


def test_a_wiring_that_stays_open_has_one_of_each_for_all_threads(paths: Paths) -> None:
    made: list[object] = []

    def connect(_: object) -> object:
        time.sleep(0.02)
        made.append(object())
        return made[-1]

    wiring = Wiring(paths, connect=connect, keep_open=True)  # type: ignore[arg-type]
    barrier = threading.Barrier(8)

    def use() -> object:
        barrier.wait()
        with wiring.connected("settings") as client:  # type: ignore[arg-type]
            return client

    with ThreadPoolExecutor(8) as threads:
        found = [threads.submit(use) for _ in range(8)]
        assert {id(each.result()) for each in found} == {id(made[0])}
    assert len(made) == 1
