"""What a node keeps open, for those that serve many requests in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from ipam.etcd.interface import Etcd
from ipam.etcd.memory import MemoryEtcd
from ipam.etcd.settings import Settings
from tests.scale.node import TWO_FABRICS, Node, World


class Connects:
    """Makes clients of one store, and counts them."""

    def __init__(self) -> None:
        self._store = MemoryEtcd()
        self.count = 0

    def __call__(self, settings: Settings) -> Etcd:
        del settings
        self.count += 1
        return self._store


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, ("http://127.0.0.1:1",), TWO_FABRICS)


def test_one_that_keeps_open_connects_once_until_it_is_closed(world: World) -> None:
    connects = Connects()
    node = Node(world, 0, connects)
    for number in range(40):  # more than two blocks
        node.add("backend", 0, f"pod{number}")
    node.tend()
    assert connects.count == 1
    node.close()
    node.add("storage", 0, "pod0")
    assert connects.count == 2
    node.close()


def test_one_that_does_not_connects_for_each_deal(world: World) -> None:
    connects = Connects()
    node = Node(world, 0, connects, keep_open=False)
    for number in range(40):
        node.add("backend", 0, f"pod{number}")
    assert connects.count == 3
    assert not list(node.wiring.paths.journal.parent.glob("*-wal"))
