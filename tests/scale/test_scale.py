"""What many nodes ask of etcd, and that no address is ever double: counted, never timed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcd.cluster import Cluster
from tests.etcd.given import release
from tests.scale.boots import storm
from tests.scale.counting import handled
from tests.scale.life import Ledger, Pods, live
from tests.scale.node import TWO_FABRICS, World

pytestmark = pytest.mark.etcd
PODS = 16


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(release("3.5"), tmp_path / "etcd") as cluster:
        yield cluster


@pytest.fixture
def world(tmp_path: Path, cluster: Cluster) -> World:
    return World(tmp_path, cluster.endpoints(), TWO_FABRICS, timeout=60.0)


def settled(cluster: Cluster, world: World, nodes: range, *, batched: bool) -> Ledger:
    """Let pods live on nodes that have booted; the first pod of a boot asks for more."""
    live(world, nodes, Pods(1, 0, batched), map)
    before = handled(cluster.members[0])
    ledger = live(world, nodes, Pods(PODS, 1, batched), map)
    assert handled(cluster.members[0]) - before == ledger.requests
    assert ledger.double == []
    assert len(ledger.addresses) == len(nodes) * PODS * 4
    return ledger


def test_a_pods_life_costs_two_requests_per_fabric_and_its_share_of_a_block(
    cluster: Cluster, world: World
) -> None:
    assert settled(cluster, world, range(2), batched=False).per_share <= 2.2


def test_a_tenth_of_that_when_upkeep_comes_once(cluster: Cluster, world: World) -> None:
    assert settled(cluster, world, range(12), batched=True).per_share <= 0.3


def test_nodes_that_boot_at_once_get_blocks_of_their_own(world: World) -> None:
    boots = storm(world, range(12), processes=2)
    assert boots.errors == []
    assert len(boots.addresses) == len(set(boots.addresses)) == 12 * len(TWO_FABRICS)
