"""The agent, beside the Go plugins: on a node whose rails have addresses of a whole cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from netns import NetNS

from tests.bench import inside, peers
from tests.bench.caller import THEIRS, Caller
from tests.bench.figures import Figure
from tests.bench.pairs import Comparison, compare
from tests.bench.pods import RAILS, Pod, Side, attach, detach, ours, theirs
from tests.bench.shared import Durable
from tests.bench.storm import Storm, compare_storms
from tests.etcd.releases import find
from tests.scale.node import TWO_FABRICS, World
from tests.scale.node import Node as ScaleNode
from tests.spec.agent import Agent, running
from tests.spec.node import Node

if TYPE_CHECKING:
    from rich.console import Console

_AGAINST_NEWEST, _AGAINST_DEBIANS = 0.7, 1.3
_REQUESTS = 200
"""Of each verb, timed in the agent: enough for a 99th percentile."""
_SHOWN = 3
"""Problems of a storm that are told in full."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is measured.

    Args:
        rounds: pairs per comparison.
        attachments: that the agent's memory is looked at after.
    """

    rounds: int
    attachments: int


@dataclass
class Findings:
    """What was found."""

    comparisons: list[Comparison] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


def measure(folder: Path, amounts: Amounts, console: Console) -> Findings:
    """Measure; say so, and measure nothing, where there is no etcd."""
    found = Findings()
    if find("3.5") is None:
        console.print("There is no etcd 3.5 on this machine: the agent is not measured")
        return found
    if peers.newest() is None:
        console.print("There are no Go plugins but Debian's on this machine (make peers)")
    with _node(folder) as bench:
        warming = Storm.on(bench.node, bench.ours)
        found.figures += inside.memory(bench.agent, warming, bench.at_rest, amounts.attachments)
        found.figures += inside.times(bench.agent, Pod(bench.ours, bench.node), _REQUESTS)
        found.comparisons.append(bench.start(amounts.rounds))
        for target, side in bench.others:
            found.comparisons += bench.one_device(side, target, amounts.rounds)
        target, side = bench.others[0]
        found.comparisons.append(bench.whole_pod(side, target, amounts.rounds))
        storms = [Storm.on(bench.node, one) for one in (bench.ours, side)]
        slowest, figures = compare_storms(*storms, rounds=max(amounts.rounds // 6, 3))
        found.comparisons.append(slowest)
        found.figures += figures
        for storm in (warming, *storms):
            for problem in storm.problems[:_SHOWN]:
                console.print(problem, markup=False)
    return found


@dataclass(frozen=True, slots=True)
class Bench:
    """A node with an agent, and what it is compared with there.

    Args:
        node: where.
        agent: its agent.
        at_rest: the memory that the agent had before its first request, in MiB.
        ours: the side of rail-sriov.
        others: the targets for the ratio to them, and the other sides; the newest comes first.
    """

    node: Node
    agent: Agent
    at_rest: float
    ours: Side
    others: list[tuple[float, Side]]

    def one_device(self, side: Side, target: float, rounds: int) -> Iterator[Comparison]:
        """Compare ADD, then DEL, of one device; the other verb is not timed."""
        mine, others = Pod(self.ours, self.node), Pod(side, self.node)
        both = (mine, others)
        yield compare(
            "ADD of one device",
            (self.ours.name, mine.attach),
            (side.name, others.attach),
            rounds=rounds, target=target, between=partial(detach, both),
        )  # fmt: skip
        yield compare(
            "DEL of one device",
            (self.ours.name, mine.detach),
            (side.name, others.detach),
            rounds=rounds, target=target, between=partial(attach, both),
        )  # fmt: skip
        detach(both)
        _insist(both)

    def whole_pod(self, side: Side, target: float, rounds: int) -> Comparison:
        """Compare the ADDs of a pod with all rails, one after the other."""
        mine, others = (Pod(one, self.node, len(RAILS)) for one in (self.ours, side))
        both = (mine, others)
        found = compare(
            f"a pod of {len(RAILS)} rails, addresses of the cluster",
            (self.ours.name, mine.attach),
            (f"{len(RAILS)} × {side.name}", others.attach),
            rounds=rounds, target=target, between=partial(detach, both),
        )  # fmt: skip
        detach(both)
        _insist(both)
        return found

    def start(self, rounds: int) -> Comparison:
        """Compare a request that is hardly more than a process's start with another's start."""
        mine, call = Pod(self.ours, self.node), Caller(self.ours.runtime.state)
        return compare(
            "start, and an answer",
            ("rail-sriov, agent: DEL of nothing", mine.delete_again),
            (
                "host-local: VERSION",
                lambda: call(THEIRS / "host-local", "VERSION", {"cniVersion": "1.0.0"}),
            ),
            rounds=rounds,
        )


@contextmanager
def _node(folder: Path) -> Iterator[Bench]:
    """Be on a node of a cluster: in its network namespace, where etcd and its agent run."""
    node, release = Node(), find("3.5")
    assert release
    try:
        with (
            NetNS(nspath=node.path),
            Durable(release, folder / "etcd-agent") as cluster,
        ):
            world = World(folder / "cluster", cluster.endpoints(), TWO_FABRICS)
            paths = ScaleNode(world, 0, apart=False).wiring.paths
            mine = ours(node, paths.environment(), paths.state)
            with running(mine.runtime, folder) as agent:
                yield Bench(node, agent, inside.resident(agent), mine, _others(node, folder))
    finally:
        node.delete()


def _others(node: Node, folder: Path) -> list[tuple[float, Side]]:
    found = [(_AGAINST_DEBIANS, theirs(node, peers.DEBIANS, folder))]
    newest = peers.newest()
    if newest:
        found.insert(0, (_AGAINST_NEWEST, theirs(node, newest, folder)))
    return found


def _insist(pods: Sequence[Pod]) -> None:
    problems = [problem for pod in pods for problem in pod.problems]
    if problems:
        raise RuntimeError("what was timed is not what was meant: " + "; ".join(problems))
