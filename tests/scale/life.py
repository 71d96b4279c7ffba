"""Pods come and go on all nodes: what it costs etcd, and whether two ever have one address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from tests.scale.counting import Tally, counted
from tests.scale.node import Node, World

Spread: TypeAlias = Callable[[Callable[[int], "Work"], Iterable[int]], Iterable["Work"]]
"""Does the work of each node: `map`, or one that has processes."""


@dataclass(frozen=True, slots=True)
class Pods:
    """The pods of one node, all of which live at the same time.

    Args:
        count: how many.
        generation: tells them from those before them.
        batched: upkeep comes once after all of them, else after each single verb.
    """

    count: int
    generation: int
    batched: bool


@dataclass(frozen=True, slots=True)
class Work:
    """What one node has done."""

    requests: int
    addresses: tuple[str, ...] = ()


def arrive(world: World, pods: Pods, number: int) -> Work:
    """Let a node's pods start, with a device on every rail of every fabric."""
    tally = Tally()
    addresses = []
    with closing(Node(world, number, counted(tally))) as node:
        for fabric, rail, container in _attachments(world, pods, number):
            addresses.append(node.add(fabric, rail, container))
            if not pods.batched:
                node.tend()
        node.tend()
    return Work(tally.requests, tuple(addresses))


def leave(world: World, pods: Pods, number: int) -> Work:
    """Let them stop."""
    tally = Tally()
    with closing(Node(world, number, counted(tally))) as node:
        for fabric, rail, container in _attachments(world, pods, number):
            node.delete(fabric, rail, container)
            if not pods.batched:
                node.tend()
        node.tend()
    return Work(tally.requests)


@dataclass
class Ledger:
    """What a generation of pods came to.

    Args:
        shares: pods of all nodes, times fabrics.
    """

    shares: int
    requests: int = 0
    addresses: Counter[str] = field(default_factory=Counter)

    @property
    def per_share(self) -> float:
        """Requests per pod and fabric, over the pod's whole life."""
        return self.requests / self.shares

    @property
    def double(self) -> list[str]:
        """The addresses that more than one pod had at the same time."""
        return [address for address, holders in self.addresses.items() if holders > 1]


def live(
    world: World,
    nodes: range,
    pods: Pods,
    spread: Spread,
    at_peak: Callable[[], None] = lambda: None,
) -> Ledger:
    """Let all pods of a generation start on all nodes, then stop.

    Args:
        world: where.
        nodes: the numbers of the nodes.
        pods: of each node.
        spread: does the nodes' work.
        at_peak: called while all pods live.
    """
    ledger = Ledger(len(nodes) * pods.count * len(world.fabrics))
    for work in spread(partial(arrive, world, pods), nodes):
        ledger.requests += work.requests
        ledger.addresses.update(work.addresses)
    at_peak()
    for work in spread(partial(leave, world, pods), nodes):
        ledger.requests += work.requests
    return ledger


def _attachments(world: World, pods: Pods, number: int) -> Iterator[tuple[str, int, str]]:
    for pod in range(pods.count):
        for fabric, subnets in world.fabrics.items():
            for rail in range(len(subnets)):
                yield fabric, rail, f"node{number}-{pods.generation}-{pod}"
