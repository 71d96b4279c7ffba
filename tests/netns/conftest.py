"""Clusters; of the agents that were running when a test failed, the logs."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from tests.netns.cluster import Cluster
from tests.netns.scene import Scene

TIMES = {"interval": 0.3, "limit": 1.2, "up": 1.0, "hold": 1.0, "longestHold": 2.0}
"""Of agents in tests, in seconds."""
_SHOWN = 4000
"""Characters of each log."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """Three nodes whose pods reach each other over VXLAN."""
    made = Cluster()
    try:
        made.start()
        yield made
    finally:
        made.delete()


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Two clusters on which no agent runs yet."""
    made = Scene(tmp_path_factory.mktemp("agents"), TIMES)
    try:
        made.start()
        yield made
    finally:
        made.delete()


@pytest.fixture
def scene(clusters: Scene) -> Scene:
    """The same, with agents, and direct paths wherever one is to be."""
    clusters.settle()
    return clusters


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the agents' logs where a test has failed."""
    report = yield
    made = getattr(item, "funcargs", {}).get("clusters")
    if report.failed and isinstance(made, Scene):
        for agent in made.agents:
            report.sections.append((f"agent of node {agent.node.number}", agent.log()[-_SHOWN:]))
    return report
