"""Two wireless and two wired nodes with agents, and beside them a cluster that has none."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.netns.agent import Agent, wait_until
from tests.netns.cluster import Cluster, Node, by_cable
from tests.netns.flannel import OVERLAYS
from tests.netns.stream import Outcome, Stream, both

WIRELESS, WIRED = (0, 1), (2, 3)
"""Which of the nodes."""
DIRECT = "direct"


class Site:
    """A cluster, and the agents on its nodes, if any.

    Args:
        cluster: the nodes.
        agents: in their order; none for a control.
    """

    def __init__(self, cluster: Cluster, agents: list[Agent]) -> None:
        self.cluster = cluster
        self.agents = agents

    @property
    def nodes(self) -> list[Node]:
        """The nodes; the first two are wireless."""
        return self.cluster.nodes


class Scene(Site):
    """The cluster with agents, and its control.

    Args:
        folder: for the agents' files.
        settings: of all agents.
        size: of the control.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], size: int = 2) -> None:
        cluster = Cluster((by_cable,) * 4)
        agents = [
            Agent(node, folder, {"uplink": {"wireless": number in WIRELESS}, **settings})
            for number, node in enumerate(cluster.nodes)
        ]
        super().__init__(cluster, agents)
        self.control = Site(Cluster((by_cable,) * size), [])

    def start(self) -> None:
        """Make both; no agent is started."""
        self.cluster.start()
        self.control.cluster.start()

    def delete(self) -> None:
        """End and remove everything."""
        for agent in self.agents:
            agent.kill()
        self.control.cluster.delete()
        self.cluster.delete()

    def stop(self) -> None:
        """End the agents that run."""
        for agent in self.agents:
            if agent.is_running:
                agent.stop()

    def run(self) -> None:
        """Start the agents that do not run."""
        begun = [agent for agent in self.agents if not agent.is_running]
        for agent in begun:
            agent.begin()
        for agent in begun:
            agent.wait()

    def settle(self) -> None:
        """Have every agent running, and every path that can be direct be so."""
        self.run()
        wait_until(lambda: not self.unsettled(), lambda: f"{self.unsettled()}")

    def unsettled(self) -> list[str]:
        """Return which paths are not as they are in the end, in words."""
        found = []
        for agent in self.agents:
            said = agent.peers()
            for other in self.cluster.others(agent.node):
                wanted = self.is_wireless(agent.node) or self.is_wireless(other)
                for family in OVERLAYS:
                    peer = said.get(other.pod_network(family), {})
                    if (peer.get("state") == DIRECT) is not wanted:
                        state, why = peer.get("state"), peer.get("why")
                        found.append(f"{agent.node.number}→{other.number}: {state}, {why}")
        return found

    def ours_in_main(self) -> list[dict[str, Any]]:
        """Return the routes of any node's main table that flannel and the kernel have not made."""
        return [
            route
            for node in self.nodes
            for route in node.main()
            if route.get("protocol") not in {"kernel", "boot", None} or (
                "gateway" in route and route["dev"] not in OVERLAYS.values()
            )
        ]  # fmt: skip

    def is_wireless(self, node: Node) -> bool:
        """Return whether a node says that its uplink is a radio."""
        return self.nodes.index(node) in WIRELESS

    def state(self, one: Node, other: Node, family: int = 4) -> str:
        """Return the state of a node's path to another, and why; empty when nobody says."""
        agent = self.agents[self.nodes.index(one)]
        peer = agent.peers().get(other.pod_network(family))
        return f"{peer['state']}: {peer['why']}" if peer else ""

    def wait_for(self, one: Node, other: Node, *states: str) -> str:
        """Wait until a path of either family is in one of some states; return which, and why."""
        seen = dict.fromkeys(OVERLAYS, "")

        def is_so() -> bool:
            for family in OVERLAYS:
                seen[family] = self.state(one, other, family)
            return all(state.partition(":")[0] in states for state in seen.values())

        wait_until(is_so, lambda: f"{one.number}→{other.number}: {seen}, expected {states}")
        return seen[4]


@contextmanager
def streams(scene: Scene) -> Iterator[Callable[[], tuple[Outcome, Outcome]]]:
    """Let packets of both families run between the first two nodes' pods.

    Yields:
        What ends them, and returns what became of them, with agents and without.
    """
    with ExitStack() as ending:
        begun = []
        for site in (scene, scene.control):
            one, two = site.nodes[:2]
            begun.append([Stream(one, two, family) for family in OVERLAYS])
            for stream in begun[-1]:
                ending.callback(stream.close)
        for stream in itertools.chain(*begun):
            stream.wait()

        def end() -> tuple[Outcome, Outcome]:
            ours, control = ([stream.end() for stream in of_site] for of_site in begun)
            return both(*ours), both(*control)

        yield end
