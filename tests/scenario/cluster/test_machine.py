"""Any history of several nodes over one etcd: no address has two live pods.

RAILCNI_HISTORIES says how many are tried, and chance then has no seed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from cni.protocol.errors import CniError, Code
from tests.etcd.unreliable import Fault
from tests.scenario.cluster.given import BLOCKS, NODE_FILE
from tests.scenario.cluster.lines import KilledError
from tests.scenario.cluster.world import AT, Machine, World

_HISTORIES = int(os.environ.get("RAILCNI_HISTORIES", "0"))
_NODES = 3

nodes = st.integers(0, _NODES - 1)
faults = st.sampled_from(Fault)
wishes = st.sampled_from(["", "", "", "10.60.0.5", "10.60.0.6"])
names = st.sampled_from(["rank-0", "rank-1"])


class Cluster(RuleBasedStateMachine):
    """Three nodes in a fabric of thirteen blocks, and all that may happen to them."""

    def __init__(self, new_world: Callable[[], World]) -> None:
        super().__init__()
        self.world = new_world()
        self.nodes = [self.world.machine() for _ in range(_NODES)]
        self.backup = self.world.etcd.backup()

    def attempt(self, node: Machine, work: Callable[[], object]) -> None:
        """Do something that may be refused for now, or at which the process may be killed."""
        try:
            work()
        except (CniError, KilledError) as error:
            if isinstance(error, CniError) and error.code != Code.TRY_AGAIN:
                raise
            self.clean(node)

    @staticmethod
    def clean(node: Machine) -> None:
        """Let the runtime call DEL for what did not come to be."""
        held = node.rows("SELECT container, ifname FROM attachments")
        for container, rail in held:
            if (container, rail) not in node.pods:
                node.delete(container, rail)

    @rule(at=nodes, number=st.integers(1, 9))
    def add(self, at: int, number: int) -> None:
        node = self.nodes[at]
        self.attempt(node, lambda: node.adds(number))

    @rule(at=nodes, ip=wishes)
    def request(self, at: int, ip: str) -> None:
        node = self.nodes[at]
        self.attempt(node, lambda: node.add(ip=ip))

    @rule(at=nodes, name=names, fresh=st.booleans())
    def stick(self, at: int, name: str, *, fresh: bool) -> None:
        node = self.nodes[at]
        lost = "fresh" if fresh else "wait"
        self.attempt(node, lambda: node.add(name=name, sticky="pod", stickyOnLostNode=lost))

    @rule(at=nodes, which=st.integers(0, 9))
    def join_second_rail(self, at: int, which: int) -> None:
        node = self.nodes[at]
        pods = [pod for (_, rail), pod in node.pods.items() if rail == "a"]
        if pods:
            pod = pods[which % len(pods)]
            more = {key: value for key, value in pod.more if key != "ip"}
            self.attempt(node, lambda: node.add(pod.container, "b", **more))

    @rule(at=nodes, which=st.integers(0, 9), number=st.integers(1, 9))
    def delete(self, at: int, which: int, number: int) -> None:
        node = self.nodes[at]
        for _ in range(number):
            if node.pods:
                pods = list(node.pods.values())
                node.delete(pods[which % len(pods)])

    @rule(at=nodes)
    def upkeep(self, at: int) -> None:
        node = self.nodes[at]
        self.attempt(node, node.upkeep)

    @rule(at=nodes, number=st.integers(0, 5), fault=faults, kill=st.booleans())
    def break_off(self, at: int, number: int, fault: Fault, *, kill: bool) -> None:
        """Let a call soon go wrong, or be the last of its process."""
        line = self.nodes[at].line
        if kill:
            line.kill(number, fault)
        else:
            line.script = [None] * number + [fault]

    @rule(at=nodes)
    def arrive_late(self, at: int) -> None:
        self.nodes[at].line.late()

    @rule(at=nodes)
    def cut_off(self, at: int) -> None:
        self.nodes[at].line.down = not self.nodes[at].line.down

    @rule(at=nodes)
    def reboot(self, at: int) -> None:
        self.nodes[at].reboot()

    @rule(at=nodes)
    def lose_journal(self, at: int) -> None:
        self.nodes[at].lose_journal()

    @rule(at=nodes)
    def rename(self, at: int) -> None:
        node = self.nodes[at]
        node.declare(NODE_FILE, name=f"{node.name[:20]}x")

    @rule(at=nodes, origin=nodes)
    def install_from_image(self, at: int, origin: int) -> None:
        one, other = self.nodes[origin], self.nodes[at]
        if one is not other and one.paths.journal.exists():
            other.reboot()
            other.take_state_of(one)

    @rule()
    def back_up(self) -> None:
        if not self.world.document("frozen"):
            self.backup = self.world.etcd.backup()

    @rule()
    def restore(self) -> None:
        """Restore as docs/registry.md has it: frozen before any node comes in."""
        self.world.etcd.restore(self.backup)
        self.world.freeze()

    @precondition(lambda self: self.world.document("frozen"))
    @rule()
    def accept(self) -> None:
        """Lift what is frozen when all have answered, and nobody has a conflict."""
        revision = self.world.entries("frozen")[0].mod_revision
        for node in self.nodes:
            node.line.down = False
            node.line.script, node.line.kill_at = [], -1
            self.attempt(node, node.upkeep)
            self.attempt(node, partial(node.adds, 9))
        answers = self.world.document("answers/")
        if all(
            node.name in answers
            and answers[node.name]["frozen"] == revision
            and not answers[node.name]["conflicts"]
            for node in self.nodes
        ):
            self.world.remove(AT.frozen)

    @rule(seconds=st.sampled_from([1, 31, 100]))
    def wait(self, seconds: int) -> None:
        self.world.wait(seconds)

    @invariant()
    def no_address_has_two_pods(self) -> None:
        self.world.audit()
        assert len(self.world.owners()) <= BLOCKS + 3


def test_any_history(new_world: Callable[[], World]) -> None:
    class NewCluster(Cluster):
        def __init__(self) -> None:
            super().__init__(new_world)

    run_state_machine_as_test(
        NewCluster,
        settings=settings(
            max_examples=_HISTORIES or 15,
            stateful_step_count=40,
            deadline=None,
            derandomize=not _HISTORIES,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
