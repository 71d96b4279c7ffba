"""No verb does more work because more is held: counted in steps of SQLite's virtual machine."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.protocol.request import Attachment, Pod
from ipam.journal import file as journals
from ipam.journal.file import open_journal
from ipam.journal.transaction import Claim, Held, Moment, Transaction

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node

A = {"fabric": "backend", "rail": "a", "subnet": "10.60.0.0/16", "gateway": "10.60.0.1"}
B = {"fabric": "backend", "rail": "b", "subnet": "10.61.0.0/16"}
FULL = A | {"rangeEnd": "10.60.0.10", "quarantine": 1}
"""Nothing fresh is left in this range once nine pods had it."""


def hold(tx: Transaction, node: Node, slot: int) -> Held:
    since = Moment(f"boot-{node.boot}", node.now)
    held = Held(Attachment("roce-a", f"many{slot}", "net1"), "backend", "a", slot, since)
    tx.claim("backend", Claim(slot, f"many{slot}", Pod(), since))
    tx.attach(held)
    return held


def fill(node: Node, count: int) -> None:
    """Let as many slots be held, and as many rest."""
    locks = Locks(Paths(node.state).locks)
    with open_journal(node.journal, locks) as journal, journal.transaction() as tx:
        for slot in range(100, 100 + count):
            hold(tx, node, slot)
        for slot in range(30000, 30000 + count):
            held = hold(tx, node, slot)
            tx.detach(held, held.since)


def add(node: Node) -> None:
    node.add(A, "new")


def join(node: Node) -> None:
    node.add(B, "first", ifname="net2", network="roce-b")


def repeat(node: Node) -> None:
    node.add(A, "first")


def request(node: Node) -> None:
    node.add(A, "new", args="IP=10.60.99.99")


def reuse(node: Node) -> None:
    node.add(FULL, "new")


def delete(node: Node) -> None:
    node.delete("first")


def check(node: Node) -> None:
    previous = {"cniVersion": "1.1.0", "ips": [{"address": "10.60.0.2/16"}]}
    node.ipam.check(node.request("CHECK", A, "first", prevResult=previous))


def status(node: Node) -> None:
    node.ipam.status(node.request("STATUS", A))


VERBS = [add, join, repeat, request, reuse, delete, check, status]


@pytest.mark.parametrize("verb", VERBS, ids=[verb.__name__ for verb in VERBS])
def test_steps_do_not_grow(
    new_node: Callable[[], Node], monkeypatch: pytest.MonkeyPatch, verb: Callable[[Node], None]
) -> None:
    steps = [counted(new_node(), count, monkeypatch, verb) for count in (10, 3000)]
    assert steps[0] > 10
    assert steps[1] <= steps[0] * 1.05


def test_what_rests_and_is_excluded_is_passed_over_once(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.add(FULL, "first")
    fill(node, 1000)
    node.wait(60)
    for i in range(8):
        node.add(FULL, f"ten{i}")
    node.delete("ten0")
    first = steps_of(partial(reuse, node), monkeypatch)
    node.delete("new")
    assert steps_of(partial(reuse, node), monkeypatch) < first / 50
    assert len(node.rows("SELECT * FROM fresh")) < 10
    node.audit()


def counted(
    node: Node, count: int, monkeypatch: pytest.MonkeyPatch, verb: Callable[[Node], None]
) -> int:
    node.add(A, "first")
    for i in range(8):
        node.add(FULL, f"ten{i}")
    node.delete("ten0")
    node.add(A, "first")
    fill(node, count)
    node.wait(60)
    return steps_of(partial(verb, node), monkeypatch)


def steps_of(work: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> int:
    steps = 0
    connect = journals._connect

    def count_step() -> int:
        nonlocal steps
        steps += 1
        return 0

    def counting(file: Path) -> sqlite3.Connection:
        connection = connect(file)
        connection.set_progress_handler(count_step, 1)
        return connection

    with monkeypatch.context() as patch:
        patch.setattr(journals, "_connect", counting)
        work()
    return steps
