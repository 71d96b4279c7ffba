"""What goes from pod to pod, and which way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.netns.cluster import OVERLAYS, Node

COUNT = 20
"""Of pings."""


def ping(source: Node, target: Node, family: int, count: int = COUNT) -> int:
    """Ping from pod to pod; return how many came back."""
    address = target.pod_address(family)
    command = ("ping", "-n", "-i", "0.01", "-W", "1", "-c", str(count), address)
    with source.pod.running(*command) as pinging:
        text, _ = pinging.communicate(timeout=30)
    return int(text.partition(" received")[0].rpartition(" ")[2])


@contextmanager
def counted(node: Node) -> Iterator[dict[str, int]]:
    """Count what a node encapsulates meanwhile."""
    before, difference = node.encapsulated(), dict[str, int]()
    yield difference
    now = node.encapsulated()
    difference |= {key: now[key] - before[key] for key in before}


def direct_to(*nodes: Node) -> dict[str, str]:
    """Return the direct routes that lead to these nodes' pods."""
    return {node.pod_network(f): node.address(f) for node in nodes for f in OVERLAYS}
