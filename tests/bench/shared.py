"""What a fabric costs that etcd shares out: beside etcd's own pace, and when etcd is in trouble."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from cni.host.locks import Locks
from ipam.etcd.client import EtcdClient
from ipam.etcd.interface import Put, Txn, absent
from tests.bench.caller import OURS, Caller
from tests.bench.pairs import Comparison, compare
from tests.bench.proxy import Proxy
from tests.etcd.cluster import Cluster, Shape
from tests.etcd.member import Member
from tests.etcd.releases import find
from tests.scale.node import Fabrics, Node, World

if TYPE_CHECKING:
    from rich.console import Console

_PACED = {
    16: ("10.16.0.0/14", "10.20.0.0/14"),
    512: ("10.24.0.0/14", "10.28.0.0/14"),
}
"""Subnets by block size: fabrics of one registry do not overlap."""
_FABRIC: Fabrics = {"backend": ("10.60.0.0/14", "10.64.0.0/14")}
_ALLOCATIONS = 500
_BLOCK_SIZES = (16, 512)
"""As usual; and large enough that hardly any has to be claimed."""
_DELAY = 0.2
_WITHIN = 5.0
_VALUE = b"x" * 200
"""As long as a block's record."""
_STARTING = 0.4
"""Seconds in which rail-upkeep has its lock."""
_numbers = count()


def comparisons(folder: Path, rounds: int, console: Console) -> list[Comparison]:
    """Measure with a real etcd; say so, and measure nothing, where there is none."""
    release = find("3.5")
    if release is None:
        console.print(
            "There is no etcd 3.5 on this machine: nothing is measured with it (make etcd)"
        )
        return []
    with Durable(release, folder / "etcd3", Shape(size=3)) as cluster:
        found = [
            _pace(folder / f"pace{size}", cluster, size, max(rounds // 6, 3))
            for size in _BLOCK_SIZES
        ]
    with Durable(release, folder / "etcd1") as cluster:
        found += _troubles(folder / "troubles", cluster, rounds)
    return found


class Durable(Cluster):
    """A cluster that syncs what it is told, as one in production does."""

    def _command(self, member: Member) -> list[str | Path]:
        return [word for word in super()._command(member) if word != "--unsafe-no-fsync"]


def _pace(folder: Path, cluster: Cluster, block_size: int, rounds: int) -> Comparison:
    """Allocations, until etcd knows all of them, against a transaction for each of them."""
    fabric = {f"pace{block_size}": _PACED[block_size]}
    node = Node(World(folder, cluster.endpoints(), fabric, block_size=block_size), block_size)
    with closing(EtcdClient(cluster.settings())) as client, closing(node):
        return compare(
            f"{_ALLOCATIONS} allocations, blocks of {block_size}",
            ("rail-ipam in process, with the mirror", lambda: _allocate(node)),
            (f"put-if-absent, {len(cluster.members)} members", lambda: _put(client)),
            rounds=rounds,
            target=0.2,
        )


def _allocate(node: Node) -> None:
    [fabric] = node.world.fabrics
    for _ in range(_ALLOCATIONS):
        node.add(fabric, 0, f"bench-{next(_numbers)}")
    node.tend()


def _put(client: EtcdClient) -> None:
    for _ in range(_ALLOCATIONS):
        key = f"/bench/{next(_numbers)}"
        client.txn(Txn((absent(key),), (Put(key, _VALUE),)), _WITHIN)


def _troubles(folder: Path, cluster: Cluster, rounds: int) -> Iterator[Comparison]:
    """ADDs on nodes that have a block with room, with etcd up, slow and down."""
    port = cluster.members[0].ports.client
    with ExitStack() as stack:
        late, gone = (stack.enter_context(Proxy(port)) for _ in range(2))
        nodes = {
            name: _node(folder, number, endpoint)
            for number, (name, endpoint) in enumerate(
                (
                    ("up", cluster.endpoints()[0]),
                    (f"{_DELAY * 1000:.0f} ms late", late.endpoint),
                    ("down", gone.endpoint),
                )
            )
        }
        late.delay = _DELAY
        gone.cut()
        up, *others = nodes
        sides: Mapping[str, Callable[[Node], None]] = {
            "rail-ipam in process": _add,
            "rail-ipam": partial(_call, Caller(folder)),
        }
        for name, add in sides.items():
            for other in others:
                yield compare(
                    f"ADD, etcd {other}",
                    (f"{name}, etcd {other}", partial(add, nodes[other])),
                    (f"{name}, etcd {up}", partial(add, nodes[up])),
                    rounds=rounds,
                    target=1.1,
                    between=partial(_wait, nodes.values()),
                )


def _node(folder: Path, number: int, endpoint: str) -> Node:
    world = World(folder, (endpoint,), _FABRIC, timeout=1, block_size=4096)
    node = Node(world, number, keep_open=False, apart=False)
    _add(node)
    node.tend()
    return node


def _add(node: Node) -> None:
    node.add("backend", 0, f"bench-{next(_numbers)}")


def _call(call: Caller, node: Node) -> None:
    paths = node.wiring.paths
    ipam = {"type": "rail-ipam", "fabric": "backend", "rail": "backend-0"}
    config = {"cniVersion": "1.0.0", "name": "backend-0", "type": "bridge", "ipam": ipam}
    container = f"bench-{next(_numbers)}"
    call(OURS / "rail-ipam", "ADD", config, container=container, environ=paths.environment())


def _wait(nodes: Iterable[Node]) -> None:
    """Let no rail-upkeep run beside what is timed."""
    time.sleep(_STARTING)
    for node in nodes:
        while Locks(node.wiring.paths.locks).is_upkeep_running():
            time.sleep(0.02)
