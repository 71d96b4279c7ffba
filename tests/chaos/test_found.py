"""What these disasters have shown once, each in the shortest history that shows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cni.host.paths import Paths
from ipam.blocks import State
from ipam.etcd.interface import Delete, Keys, Txn
from ipam.etcd.memory import MemoryEtcd
from ipam.holding import upkeep
from ipam.plugin import RailIpam
from ipam.registry.deadline import Deadline
from ipam.registry.overview import Answers, Overview
from ipam.registry.records import FrozenRecord, NodeRecord
from ipam.wiring import Wiring
from tests.chaos.fleet import node_file
from tests.chaos.node import request
from tests.chaos.restore import LAYOUT
from tests.etcd.given import put

WITHIN = 5.0
SECOND = 10**9
HARDWARE = "ee179154-8558-4c0e-b7c7-58f17cf54435"
EARLIER = NodeRecord(
    node="gpu-0", hardware=f"dmi:{HARDWARE}", boot="boot-0", journal="j", version="1", since="then"
)


class Node:
    """A node over a store in memory, with a boot and a clock that the test moves on."""

    def __init__(self, etcd: MemoryEtcd, folder: Path) -> None:
        self.etcd, self.boot, self.now = etcd, 1, 1000 * SECOND
        dmi = folder / "sys/class/dmi/id"
        for made in (dmi, folder / "etc", folder / "state"):
            made.mkdir(parents=True)
        (dmi / "product_uuid").write_text(f"{HARDWARE}\n")
        (folder / "etc/node.toml").write_text(node_file("gpu-0", ["http://192.0.2.1:2379"]))
        paths = Paths(folder / "state", config=folder / "etc")
        self.wiring = Wiring(
            paths, lambda: f"boot-{self.boot}", lambda: self.now, folder / "sys", lambda _: etcd
        )
        self._ipam = RailIpam(self.wiring, lambda: None)

    def add(self, container: str) -> str:
        allocation = self._ipam.allocate(request("ADD", container, "roce-a"))
        return str(allocation.result.ips[0].address.ip)

    def delete(self, container: str) -> None:
        self._ipam.release(request("DEL", container, "roce-a"))

    def tend(self) -> None:
        """Do the upkeep; while claims are forbidden it does not come to its end."""
        for _ in range(3):
            if upkeep.run(self.wiring.shared_desk, 1.0):
                return

    def lose_journal(self) -> None:
        shutil.rmtree(self.wiring.paths.journal.parent)

    def states(self) -> set[State]:
        with self.wiring.journal() as journal, journal.rehearsal() as tx:
            return {tenure.state for tenure in tx.blocks.of("backend")}


@pytest.fixture
def etcd() -> MemoryEtcd:
    return MemoryEtcd()


@pytest.fixture
def node(etcd: MemoryEtcd, tmp_path: Path) -> Node:
    return Node(etcd, tmp_path)


def overview(etcd: MemoryEtcd) -> Overview:
    return Overview(etcd, LAYOUT, Deadline(WITHIN))


def end(etcd: MemoryEtcd, keys: Keys) -> None:
    etcd.txn(Txn(then=(Delete(keys),)), WITHIN)


def freeze(etcd: MemoryEtcd) -> None:
    """Forbid claims, as an operator does who has restored etcd."""
    record = FrozenRecord(node="operator", reason="restored", since="now")
    put(etcd, LAYOUT.frozen, record.encode())


def lift(etcd: MemoryEtcd) -> None:
    end(etcd, Keys(LAYOUT.frozen))
    end(etcd, Keys.below(LAYOUT.answer()))


def answers(etcd: MemoryEtcd) -> Answers:
    found = overview(etcd).answers()
    assert found is not None
    return found


def test_what_is_put_back_is_of_this_boot(node: Node) -> None:
    """Else a journal that is lost later takes its pods for those of an earlier boot."""
    node.add("a")
    node.tend()
    backup = node.etcd.backup()
    node.boot = 2
    living = node.add("b")
    node.tend()
    node.etcd.restore(backup)
    freeze(node.etcd)
    node.add("c")
    node.tend()
    lift(node.etcd)
    assert {one.record.boot for one in overview(node.etcd).blocks()} == {"boot-2"}
    node.lose_journal()
    assert living not in {node.add(f"d{number}") for number in range(16)}


def test_a_second_restore_from_the_same_backup_is_answered_too(node: Node) -> None:
    """`frozen` then stands where it stood before; and an old heartbeat is in the answer's way."""
    node.add("a")
    node.tend()
    put(node.etcd, LAYOUT.heartbeat("gpu-0"), EARLIER.encode())
    backup = node.etcd.backup()
    end(node.etcd, Keys(LAYOUT.heartbeat("gpu-0")))
    revisions = []
    for container in ("b", "c"):
        node.add(container)
        node.tend()
        node.etcd.restore(backup)
        freeze(node.etcd)
        node.add(f"{container}-after")
        node.tend()
        assert answers(node.etcd).missing == ["gpu-0"]
        end(node.etcd, Keys(LAYOUT.heartbeat("gpu-0")))
        node.delete(container)
        node.tend()
        assert answers(node.etcd).missing == []
        revisions.append(answers(node.etcd).frozen.revision)
        lift(node.etcd)
    assert revisions[0] == revisions[1]


def test_what_a_restored_etcd_has_forgotten_is_not_given_up(node: Node) -> None:
    """Also when others have brought its revision up to where it was, so that it looks as ever."""
    backup = node.etcd.backup()
    node.add("a")
    node.tend()
    node.etcd.restore(backup)
    freeze(node.etcd)
    for number in range(50):
        put(node.etcd, "/others", str(number).encode())
    node.add("b")
    node.tend()
    assert node.states() == {State.OWNED, State.SPARE}
    assert len(overview(node.etcd).blocks()) == 2
    assert answers(node.etcd).missing == []


def test_the_mirror_forgets_what_is_given_back_after_a_restore(node: Node) -> None:
    for number in range(9):
        node.add(f"a{number}")
    node.tend()
    backup = node.etcd.backup()
    for number in range(9):
        node.delete(f"a{number}")
    node.tend()
    node.now += 100 * SECOND
    node.tend()
    left = {one.slot for one in overview(node.etcd).blocks()}
    node.etcd.restore(backup)
    freeze(node.etcd)
    node.add("b")
    node.tend()
    claims = [json.loads(one.entry.value)["container"] for one in overview(node.etcd).claims()]
    assert claims == ["b"]
    assert {one.slot for one in overview(node.etcd).blocks()} == left


def test_what_a_lost_journal_had_given_back_is_given_back_again(node: Node) -> None:
    """Else it is nobody's until the next boot, and in the way of who has it by now."""
    node.add("a")
    node.tend()
    for number in range(8):
        node.add(f"b{number}")
    node.tend()
    backup = node.etcd.backup()
    for number in range(8):
        node.delete(f"b{number}")
    node.tend()
    node.now += 100 * SECOND
    node.tend()
    node.lose_journal()
    node.add("c")
    node.tend()
    left = {one.slot for one in overview(node.etcd).blocks()}
    node.etcd.restore(backup)
    freeze(node.etcd)
    node.add("d")
    node.tend()
    assert {one.slot for one in overview(node.etcd).blocks()} == left
    assert answers(node.etcd).missing == []
