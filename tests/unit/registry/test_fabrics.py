"""No two fabrics of a registry have an address in common."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from ipam.blocks import Session
from ipam.definition import Definition, define
from ipam.etcd.interface import Get, Keys
from ipam.etcd.memory import MemoryEtcd
from ipam.registry.deadline import Deadline
from ipam.registry.etcd import EtcdRegistry
from ipam.registry.interface import DisagreementError, Node
from ipam.registry.keys import Layout
from ipam.registry.operator import Operator
from ipam.registry.overview import StoredFabric

WITHIN = 5.0


def fabric(name: str, *subnets: str) -> Definition:
    return define(name, {f"{name}-{i}": [ip_network(net)] for i, net in enumerate(subnets)})


def registry(etcd: MemoryEtcd, name: str, definition: Definition) -> EtcdRegistry:
    node = Node(name, f"dmi:{name}", "boot", f"journal-{name}")
    session, deadline = Session(node.journal_id), Deadline(WITHIN)
    return EtcdRegistry(etcd, "/railcni/", {definition.name: definition}, node, session, deadline)


@pytest.mark.parametrize("subnets", [("10.60.0.0/16",), ("10.9.0.0/16", "10.60.0.0/16")])
def test_a_second_name_for_the_same_addresses_is_refused(subnets: tuple[str, ...]) -> None:
    etcd = MemoryEtcd()
    registry(etcd, "n1", fabric("backend", "10.60.0.0/16", "10.61.0.0/16")).propose("backend")
    other = registry(etcd, "n2", fabric("Backend", *subnets))
    with pytest.raises(
        DisagreementError,
        match=r"fabric Backend has 10\.60\.0\.0/16, and fabric backend in the registry has",
    ):
        other.propose("Backend")
    assert etcd.get(Get(Keys.below("/railcni/fabrics/")), WITHIN).found.count == 1


def test_fabrics_beside_each_other_are_none_of_each_others_business() -> None:
    etcd = MemoryEtcd()
    registry(etcd, "n1", fabric("backend", "10.60.0.0/16")).propose("backend")
    assert registry(etcd, "n2", fabric("storage", "10.70.0.0/16")).propose("storage").spans


def test_a_fabric_does_not_grow_into_another() -> None:
    etcd, layout = MemoryEtcd(), Layout("/railcni/")
    before = fabric("backend", "10.60.0.0/16")
    registry(etcd, "n1", before).propose("backend")
    registry(etcd, "n2", fabric("storage", "10.61.0.0/16")).propose("storage")
    [entry] = etcd.get(Get(Keys(layout.fabric("backend"))), WITHIN).found.entries
    stored = StoredFabric(before, entry.mod_revision)
    operator = Operator(etcd, layout, Deadline(WITHIN))
    with pytest.raises(DisagreementError, match="fabric storage in the registry"):
        operator.change(stored, fabric("backend", "10.60.0.0/15"))
    wider = fabric("backend", "10.60.0.0/16", "10.62.0.0/16")
    assert operator.change(stored, wider) > entry.mod_revision
