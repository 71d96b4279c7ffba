"""Addresses whose DEL never came: what is freed, and above all what is not."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cni.protocol.request import Request
from cni.protocol.skel import serve
from cni.protocol.versions import Command
from ipam.agent.leaks import GRACE, Leaks, suspicion
from ipam.plugin import Standalone, make_plugin, sandbox_of
from ipam.wiring import Wiring
from tests.scenario.ipam.given import BARE

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node

Sandbox = tuple[int, int, int]


def own() -> Sandbox:
    """Return this process's namespace, which each look must see."""
    sandbox = sandbox_of(Request(Command.ADD, "1.1.0", {}, netns="/proc/self/ns/net"))
    assert sandbox
    return sandbox


class Watch:
    """The chore on a node, and the namespaces that it sees."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.existing = {own()}
        self.sight: OSError | None = None
        self.seconds = 0.0
        self.told = 0
        self.wiring: Wiring = node.ipam._wiring
        wiring = self.wiring
        self.leaks = Leaks(lambda: nullcontext(wiring), self.look, self.tend, lambda: self.seconds)
        self.before_look: Callable[[], object] = lambda: None

    def look(self) -> frozenset[Sandbox]:
        self.before_look()
        if self.sight:
            raise self.sight
        return frozenset(self.existing)

    def tend(self) -> None:
        self.told += 1

    def add(self, container: str, sandbox: Sandbox | None) -> None:
        """ADD of rail-ipam under another plugin."""
        given = self.node.request("ADD", BARE, container)
        Standalone(self.node.ipam, self.wiring.locks, lambda _: sandbox).add(given)
        if sandbox:
            self.existing.add(sandbox)

    def end(self, sandbox: Sandbox) -> None:
        self.existing.remove(sandbox)

    def run(self, after: float = 0.0) -> None:
        self.seconds += after
        self.leaks.run()

    @property
    def held(self) -> set[str]:
        return {container for container, _, _ in self.node.held()}


@pytest.fixture
def watch(node: Node) -> Watch:
    return Watch(node)


ONE, TWO = (4, 101, 7), (4, 102, 8)


def test_what_is_without_its_namespace_twice_is_freed(watch: Watch) -> None:
    watch.add("c1", ONE)
    watch.add("c2", TWO)
    watch.run()
    watch.end(ONE)
    watch.run()
    watch.run(GRACE - 1)
    assert watch.held == {"c1", "c2"}
    assert watch.told == 0
    watch.run(1)
    assert watch.held == {"c2"}
    assert watch.told == 1
    assert watch.leaks.freed == 1
    watch.run(GRACE)
    assert watch.leaks.freed == 1
    watch.node.audit()


def test_one_look_is_not_enough_however_late_it_comes(watch: Watch) -> None:
    watch.add("c1", ONE)
    watch.end(ONE)
    watch.run(10 * GRACE)
    assert watch.held == {"c1"}


def test_who_was_seen_again_begins_anew(watch: Watch) -> None:
    watch.add("c1", ONE)
    watch.end(ONE)
    watch.run()
    watch.existing.add(ONE)
    watch.run(GRACE)
    watch.end(ONE)
    watch.run(1)
    watch.run(GRACE - 1)
    assert watch.held == {"c1"}


def test_without_sight_nothing_is_freed(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    watch.add("c1", ONE)
    watch.end(ONE)
    watch.run()
    watch.sight = PermissionError(13, "Permission denied")
    watch.run(GRACE)
    watch.sight = None
    watch.existing = {TWO}  # not even this process's own
    watch.run(GRACE)
    assert watch.held == {"c1"}
    assert len([one for one in caplog.records if "leaked addresses stay held" in one.message]) == 2
    watch.existing = {own()}
    watch.run()
    assert watch.held == set()


def test_what_is_attached_during_a_look_is_not_missed(watch: Watch) -> None:
    def attach() -> None:
        watch.before_look = lambda: None
        watch.add("c9", TWO)
        watch.existing.remove(TWO)  # the look was past it

    watch.add("c1", ONE)
    watch.before_look = attach
    watch.run()
    assert watch.held == {"c1", "c9"}
    assert not watch.leaks._missed


@pytest.mark.parametrize(
    ("known", "seen", "freed"),
    [
        ((4, 101, 7), (4, 101, 7), False),
        ((4, 101, 7), (4, 101, 9), True),  # the inode was given again
        ((4, 101, 0), (4, 101, 9), False),
        ((4, 101, 7), (4, 101, 0), False),
        ((4, 101, 7), (5, 101, 7), True),
    ],
)
def test_how_a_namespace_is_known(watch: Watch, known: Sandbox, seen: Sandbox, freed: bool) -> None:  # noqa: FBT001 - a parameter
    watch.add("c1", known)
    watch.existing = {own(), seen}
    watch.run()
    watch.run(GRACE)
    assert watch.held == (set() if freed else {"c1"})


def test_what_nobody_knows_the_namespace_of_stays(watch: Watch) -> None:
    watch.add("c1", None)
    watch.node.add(BARE, "c2")
    watch.run()
    watch.run(GRACE)
    assert watch.held == {"c1", "c2"}


def test_a_repeated_add_says_where_it_is_now(watch: Watch) -> None:
    watch.add("c1", ONE)
    watch.end(ONE)
    watch.run()
    watch.add("c1", TWO)
    watch.run(GRACE)
    watch.run(GRACE)
    assert watch.held == {"c1"}
    watch.add("c1", None)  # and now nobody knows
    watch.end(TWO)
    watch.run(GRACE)
    watch.run(GRACE)
    assert watch.held == {"c1"}


def test_a_pod_that_came_meanwhile_under_the_same_name_stays(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.add("c1", ONE)
    watch.end(ONE)
    watch.run()
    free = watch.leaks._free

    def late(*arguments: object) -> None:
        watch.node.delete("c1")
        watch.add("c1", TWO)
        free(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(watch.leaks, "_free", late)
    watch.run(GRACE)
    assert watch.held == {"c1"}
    assert watch.leaks.freed == 0


def test_too_many_at_once_are_an_alarm(watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    gone = [(4, inode, 1) for inode in range(4)]
    for sandbox in gone:
        watch.add(f"gone{sandbox[1]}", sandbox)
    for inode in range(10, 18):
        watch.add(f"stays{inode}", (4, inode, 1))
    for sandbox in gone:
        watch.end(sandbox)
    for _ in range(3):
        watch.run(GRACE)
    assert len(watch.held) == 12
    assert watch.leaks.alarm.startswith("4 of 12 attachments")
    assert [one.levelno for one in caplog.records].count(logging.ERROR) == 1
    for inode in range(18, 22):
        watch.add(f"stays{inode}", (4, inode, 1))
    watch.run()
    assert watch.leaks.alarm == ""
    assert len(watch.held) == 12


@pytest.mark.parametrize(
    ("leaked", "known", "suspicious"), [(3, 3, False), (4, 16, False), (4, 15, True), (9, 9, True)]
)
def test_what_is_too_many(leaked: int, known: int, suspicious: bool) -> None:  # noqa: FBT001 - a parameter
    assert bool(suspicion(leaked, known)) == suspicious


def test_an_earlier_boots_are_none_of_its_business(watch: Watch) -> None:
    watch.add("c1", ONE)
    watch.end(ONE)
    watch.run()
    watch.node.reboot()
    watch.run(GRACE)
    assert watch.leaks.freed == 0


def test_a_node_without_a_journal_gets_none(watch: Watch) -> None:
    watch.run()
    assert not watch.node.journal.exists()


def test_a_process_of_rail_ipam_sees_where_it_is_by_itself(node: Node, tmp_path: Path) -> None:
    def add(container: str, netns: str) -> None:
        given: Request = node.request("ADD", BARE, container)
        environ = {
            **given.environ,
            "CNI_NETNS": netns,
            "RAILCNI_STATE_DIR": str(node.state),
            "RAILCNI_LOG_DIR": str(tmp_path),
        }
        assert serve(make_plugin, environ, json.dumps(given.config).encode()).exit_code == 0

    add("c1", "/proc/self/ns/net")
    add("c2", "/run/netns/nobody-made-it")
    add("c3", "/etc/hostname")
    rows = node.rows("SELECT netns_device, netns_inode, netns_cookie FROM attachments ORDER BY 2")
    assert rows == [(None, None, None)] * 2 + [own()]
