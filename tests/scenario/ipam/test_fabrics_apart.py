"""One container in several fabrics: each has slots of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scenario.ipam.conftest import Node

BACKEND = {"type": "rail-ipam", "fabric": "backend", "rail": "roce-a", "subnet": "10.60.0.0/16"}
STORAGE = {"type": "rail-ipam", "fabric": "storage", "rail": "sto-a", "subnet": "10.80.0.0/16"}


def test_a_slot_of_one_fabric_is_not_joined_in_another(node: Node) -> None:
    node.add(BACKEND, "other")
    assert node.add(BACKEND, "c1") == "10.60.0.2"
    assert node.add(STORAGE, "c1", ifname="net2", network="sto-a") == "10.80.0.1"
    assert node.held() == {("other", "backend", 1), ("c1", "backend", 2), ("c1", "storage", 1)}
    node.audit()


def test_what_one_fabric_freed_does_not_rest_in_another(node: Node) -> None:
    node.add(BACKEND, "c1")
    node.add(STORAGE, "c1", ifname="net2", network="sto-a")
    node.delete("c1")
    assert node.held() == {("c1", "storage", 1)}
    assert node.rows("SELECT fabric, slot FROM freed") == [("backend", 1)]
    node.audit()
