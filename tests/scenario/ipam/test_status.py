"""CHECK and STATUS on a real journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cni.protocol.errors import Code
from tests.scenario.ipam.given import BARE, TINY, refused

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node


def check(node: Node, *addresses: str, container: str = "c1") -> None:
    previous = {"cniVersion": "1.1.0", "ips": [{"address": address} for address in addresses]}
    node.ipam.check(node.request("CHECK", BARE, container, prevResult=previous))


def test_check_compares_what_is_held_with_the_result(node: Node) -> None:
    node.add(BARE, "c1")
    check(node, "10.60.0.1/16")
    check(node, "192.168.0.1/24", "10.60.0.1/16")
    with refused(Code.CHECK_FAILED, "net1 of container c1 holds 10.60.0.1/16", "10.60.0.2/16"):
        check(node, "10.60.0.2/16")
    with refused(Code.CHECK_FAILED, "prevResult has no address"):
        check(node)
    with refused(Code.CHECK_FAILED, "c2 holds no address"):
        check(node, "10.60.0.1/16", container="c2")
    with refused(Code.INVALID_CONFIG, "prevResult is missing"):
        node.ipam.check(node.request("CHECK", BARE, "c1"))


def test_status_says_when_add_would_fail_and_changes_nothing(node: Node) -> None:
    status = node.request("STATUS", TINY)
    node.ipam.status(status)
    for i in range(6):
        node.add(TINY, f"c{i}")
    with refused(Code.NOT_AVAILABLE, "is full"):
        node.ipam.status(status)
    assert len(node.held()) == 6
    with refused(Code.INVALID_CONFIG, "ipam.subnet"):
        node.ipam.status(node.request("STATUS", {"subnet": "x"}))
    node.reboot()
    node.ipam.status(status)
    assert len(node.held()) == 6


def test_status_makes_no_journal(node: Node) -> None:
    node.ipam.status(node.request("STATUS", TINY))
    with refused(Code.NOT_AVAILABLE, "10.60.0.0/29 is not given out"):
        node.ipam.status(node.request("STATUS", TINY, runtimeConfig={"ips": ["10.60.0.0"]}))
    assert not node.state.exists()


def test_status_reads_requested_addresses(node: Node) -> None:
    wrong = node.request("STATUS", TINY, runtimeConfig={"ips": ["10.99.0.9"]})
    with refused(Code.INVALID_CONFIG, "runtimeConfig.ips has '10.99.0.9'"):
        node.ipam.status(wrong)
    node.add(TINY, "c1")
    taken = node.request("STATUS", TINY, runtimeConfig={"ips": ["10.60.0.1"]})
    with refused(Code.NOT_AVAILABLE, "is held by container c1"):
        node.ipam.status(taken)


def test_status_says_when_the_journal_is_damaged(node: Node) -> None:
    node.add(TINY, "c1")
    node.journal.write_bytes(b"")
    with refused(Code.NOT_AVAILABLE, "journal.db is no journal"):
        node.ipam.status(node.request("STATUS", TINY))
    with refused(Code.IO_FAILURE, "journal.db"):
        node.delete("c1")
