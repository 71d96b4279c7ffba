"""What a block costs when few, half or nearly all of a fabric's blocks are taken."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ipam.blocks import State
from ipam.etcd.interface import Put, Txn
from ipam.holding import blocks
from ipam.holding.desk import Desk
from ipam.registry.interface import Registry
from ipam.registry.keys import Layout
from ipam.registry.records import BlockRecord
from ipam.wiring import connect
from tests.scale.counting import Tally, counted
from tests.scale.node import Fabrics, Node, World

SHARES = {"few": 1, "half": 50, "most": 99}
"""Per cent of the blocks that others have, by the fabrics' names."""
FABRICS: Fabrics = {
    name: (f"10.{64 + 8 * place}.0.0/14", f"10.{68 + 8 * place}.0.0/14")
    for place, name in enumerate(SHARES)
}
_BATCH = 100
_AT_ONCE = 4
"""Claims of one node in each fabric, before another one comes, which begins elsewhere."""


@dataclass
class Series:
    """How long claims of a block took, in seconds."""

    whole: list[float] = field(default_factory=list)
    """With what is written down in the journal."""
    registry: list[float] = field(default_factory=list)
    """What the registry took of it."""
    requests: list[int] = field(default_factory=list)
    """What etcd was asked for it: no matter how busy the machine is."""

    def at(self, percentile: int) -> tuple[float, float]:
        """Return a percentile of both, in milliseconds."""
        whole, registry = (
            statistics.quantiles(times, n=100)[percentile - 1] * 1000
            for times in (self.whole, self.registry)
        )
        return whole, registry


class _Timed:
    """A registry whose calls are timed."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._registry, name)

        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


def measure(world: World, claims: int) -> Mapping[str, Series]:
    """Claim blocks of three fabrics in turn, and give each back; return the times of each.

    Args:
        world: where; its fabrics are `FABRICS`.
        claims: of each fabric.
    """
    series, tally = {name: Series() for name in SHARES}, Tally()
    for number in range(-(-claims // _AT_ONCE)):
        node = Node(world, number, counted(tally))
        if not number:
            _fill(world, node)
        for fabric in FABRICS:  # a fabric is known by its first pod, whose block is given back
            node.add(fabric, 0, "first")
            node.delete(fabric, 0, "first")
        node.tend()
        desk = node.wiring.shared_desk
        with desk.deal() as connection:
            for _ in range(_AT_ONCE):
                for fabric, times in series.items():
                    _claim(desk, connection.registry, fabric, times, tally)
    return series


def _claim(desk: Desk, registry: Registry, fabric: str, times: Series, tally: Tally) -> None:
    timed: Any = _Timed(registry)
    before, asked = _owned(desk, fabric), tally.requests
    started = time.perf_counter()
    blocks.acquire(desk, timed, fabric)
    times.whole.append(time.perf_counter() - started)
    times.registry.append(timed.seconds)
    times.requests.append(tally.requests - asked)
    with desk.keep(synced=True) as tx:
        for tenure in tx.blocks.of(fabric):
            if tenure.block.span not in before:
                tx.blocks.withdraw(tenure.block, State.RETURNING)
    blocks.finish_returns(desk, registry, fabric)


def _owned(desk: Desk, fabric: str) -> set[Any]:
    with desk.keep() as tx:
        return {tenure.block.span for tenure in tx.blocks.of(fabric)}


def _fill(world: World, node: Node) -> None:
    """Let others have blocks, chosen at random."""
    file = node.wiring.node_file
    if file is None or file.etcd is None:
        raise LookupError("the node has no etcd")
    layout = Layout(file.etcd.prefix)
    etcd = connect(file.etcd.settings)
    lottery = random.Random(1)  # noqa: S311 - places
    for name, share in SHARES.items():
        definition = file.definitions[name]
        record = BlockRecord(
            node="other", hardware="dmi:other", boot="other", journal="other",
            size=definition.block_size, token="other",  # noqa: S106 - a claim's
        ).encode()  # fmt: skip
        taken = lottery.sample(range(definition.block_count), definition.block_count * share // 100)
        puts = [Put(layout.block(name, definition.block_at(at)), record) for at in taken]
        for batch in _batches(puts):
            etcd.txn(Txn(then=tuple(batch)), world.timeout)
    etcd.close()


def _batches(puts: Sequence[Put]) -> Iterator[list[Put]]:
    rest = iter(puts)
    while batch := list(islice(rest, _BATCH)):
        yield batch
