"""All nodes of a cluster boot at the same time."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.synchronize import Barrier
from queue import SimpleQueue

from cni.protocol.errors import CniError
from tests.scale.node import Node, World

_LATE = ("ipam.adding", "ipam.config", "ipam.journal.file", "ipam.etcd.members", "ipam.node_file")
"""What a node's first request imports: a real node has a processor for that."""
_START = 120.0
"""Seconds for all processes to be ready."""


@dataclass(frozen=True, slots=True)
class Boot:
    """What became of a node's first pod."""

    seconds: float
    addresses: tuple[str, ...]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Storm:
    """What became of all of them."""

    boots: tuple[Boot, ...]
    seconds: float
    """From the first node's start to the last one's end."""

    @property
    def slowest(self) -> float:
        """Seconds that the slowest node took."""
        return max(boot.seconds for boot in self.boots)

    @property
    def errors(self) -> list[str]:
        """What went wrong."""
        return [boot.error for boot in self.boots if boot.error]

    @property
    def addresses(self) -> list[str]:
        """What all of them have got."""
        return [address for boot in self.boots for address in boot.addresses]


def storm(world: World, nodes: range, processes: int) -> Storm:
    """Boot nodes at once, each in a thread: it joins, and claims a block of every fabric.

    Args:
        world: where.
        nodes: their numbers.
        processes: among which the nodes are divided.
    """
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1)
    answers = context.SimpleQueue()
    started = [
        context.Process(target=_boot_all, args=(world, nodes[at::processes], ready, answers))
        for at in range(processes)
    ]
    for process in started:
        process.start()
    ready.wait(_START)
    begin = time.monotonic()
    boots = [boot for _ in started for boot in answers.get()]
    seconds = time.monotonic() - begin
    for process in started:
        process.join()
    return Storm(tuple(boots), seconds)


def _boot_all(world: World, nodes: range, ready: Barrier, answers: SimpleQueue[list[Boot]]) -> None:
    for module in _LATE:
        import_module(module)
    made = [Node(world, number) for number in nodes]
    with ThreadPoolExecutor(len(made)) as threads:
        ready.wait(_START)
        boots = list(threads.map(_boot, made))
    for node in made:
        node.close()
    answers.put(boots)


def _boot(node: Node) -> Boot:
    began = time.monotonic()
    addresses: list[str] = []
    error = ""
    try:
        addresses.extend(node.add(fabric, 0, f"{node.name}-first") for fabric in node.world.fabrics)
    except CniError as failure:
        error = f"{node.name}: {failure.msg}"
    return Boot(time.monotonic() - began, tuple(addresses), error)
