"""rail-hostgw's two variants: who finds out whom a node reaches directly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tests.netns.agent import Agent, wait_until
from tests.netns.cluster import Node
from tests.netns.flannel import OVERLAYS
from tests.netns.traffic import direct_to
from tests.vm.suite.radio import Home

Paths = Mapping[Node, Sequence[Node]]
"""Of each node, to whose pods its own go straight."""
TIMES = {"interval": 1, "limit": 5, "up": 6, "hold": 5, "longestHold": 5}
"""Of the agents, in seconds: the guest has one slow processor for all of them."""


class Variant(Protocol):
    """One of them."""

    answers_straight: bool
    """Whether a wired node goes straight to a station, too."""

    def settle(self, paths: Paths) -> None:
        """Let nodes find out whom they reach directly; it is these."""
        ...


class Requests:
    """Without an agent: each node proves it at a request.

    Args:
        folder: for what the nodes keep.
    """

    answers_straight = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def settle(self, paths: Paths) -> None:
        """Let a pod start on each."""
        for node in paths:
            node.call("ADD", self._folder)
        for node, peers in paths.items():
            assert node.direct() == direct_to(*peers)


class Agents:
    """With agents: they prove it all the time, from the first call on.

    Args:
        home: the nodes; what kind of uplink they have, the agents are not told.
        folder: for the agents' files.
    """

    answers_straight = True

    def __init__(self, home: Home, folder: Path) -> None:
        self._home = home
        self._agents = {node: Agent(node, folder, TIMES) for node in home.cluster.nodes}

    def settle(self, paths: Paths) -> None:
        """Wait until the agents say so, of both families."""
        begun = [agent for agent in self._agents.values() if not agent.is_running]
        for agent in begun:
            agent.begin()
        for agent in begun:
            agent.wait()
        wait_until(lambda: not self._differing(paths), lambda: "; ".join(self._differing(paths)))

    def why(self, node: Node, peer: Node) -> set[str]:
        """Return why a path is what it is, in words, of each family."""
        said = self._agents[node].peers()
        return {said[peer.pod_network(family)]["why"] for family in OVERLAYS}

    def stop(self, logs: Path) -> None:
        """End them in peace, and keep their logs; none has found a defect of its own."""
        try:
            for agent in self._agents.values():
                if agent.process:
                    agent.stop()
        finally:
            for node, agent in self._agents.items():
                agent.kill()
                (logs / f"agent{node.number}.log").write_text(agent.log(), encoding="utf-8")
        for agent in self._agents.values():
            assert '"traceback"' not in agent.log()

    def _differing(self, paths: Paths) -> list[str]:
        return [words for node, peers in paths.items() for words in self._differing_at(node, peers)]

    def _differing_at(self, node: Node, peers: Sequence[Node]) -> Iterator[str]:
        """Yield what an agent says that is not so, or not yet."""
        said = self._agents[node].peers()
        for other in self._home.cluster.others(node):
            uplink = "wireless" if other in self._home.stations else "wired"
            for family in OVERLAYS:
                path = said.get(other.pod_network(family), {})
                found = path.get("state"), path.get("uplink")
                is_so = found[0] not in {"direct", None}
                if other in peers:
                    is_so = found == ("direct", uplink)
                if not is_so:
                    yield f"{node.number}→{other.number}: {path}"
