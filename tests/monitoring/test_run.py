"""Agents that are really watched: each panel has data, each rule can be evaluated."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring.dashboard import FILE, panels
from deploy.monitoring.manifest import RULES
from tests.monitoring.fleet import Fleet, at_home, finished, name, on_rail, request
from tests.monitoring.promql import metrics, recorded
from tests.monitoring.server import Prometheus
from tests.netns.agent import wait_until
from tests.netns.conftest import TIMES

pytestmark = [pytest.mark.netns, pytest.mark.etcd]

RATE_INTERVAL = "5s"
"""Of scrapes each second."""
QUERIES = {
    f"{panel.row}, {panel.title}, {query.legend}": query.substituted(RATE_INTERVAL)
    for panel in panels(FILE.read_text())
    for query in panel.queries
}
DOCUMENT = Path(__file__).parents[2] / "docs/monitoring.md"
GIVEN = {"up", "ALERTS"}
"""What Prometheus adds itself."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two nodes, pods with rails on each, a pod that has gone, and one that could not start."""
    made = Fleet(tmp_path_factory.mktemp("fleet"), 2, TIMES)
    try:
        made.start()
        rails = ("roce-a", "roce-b")
        begun = [
            request(agent, "ADD", f"c{vf}", on_rail(rails[vf % 2], vf))
            for agent in made.agents for vf in (0, 1)
        ]  # fmt: skip
        begun += [request(agent, "ADD", "home0", at_home()) for agent in made.agents]
        assert [code for code, _ in finished(*begun)] == [0] * 6
        one = made.agents[0]
        others = [
            request(one, "DEL", "c1", on_rail("roce-b", 1)),
            request(one, "ADD", "c2", on_rail("roce-a", 0)),
            request(one, "ADD", "home1", at_home(), RAILCNI_LOG_DIR=str(one.folder / "elsewhere")),
        ]
        assert [code for code, _ in finished(*others)] == [0, 1, 0]
        yield made
    finally:
        made.delete()


@pytest.fixture(scope="module")
def prometheus(
    fleet: Fleet, prometheus_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus") / "server"
    made = Prometheus(prometheus_program, folder, fleet.cluster.lan, fleet.targets)
    try:
        yield made
    finally:
        made.close()


def served(page: str) -> set[str]:
    """Return the names that the series of a page may have."""
    found: set[str] = set()
    for metric, kind in re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE):
        parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        found |= {f"{metric}{part}" for part in parts}
    return found


def test_agents_serve_what_the_dashboard_and_the_rules_are_about(fleet: Fleet) -> None:
    rules: list[dict[str, Any]] = [
        rule
        for file in RULES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
    ]
    expressions = [*QUERIES.values(), *(rule["expr"] for rule in rules)]
    names = {rule["record"] for rule in rules if "record" in rule}
    assert set(chain.from_iterable(map(recorded, expressions))) == names
    wanted = set(chain.from_iterable(map(metrics, expressions))) - GIVEN

    def missing() -> set[str]:
        return wanted - served(fleet.agents[0].page("/metrics"))

    # Some figures come with the first round of a chore.
    wait_until(lambda: not missing(), lambda: f"no agent serves {missing()}")


def test_the_document_has_each_figure_that_an_agent_serves(fleet: Fleet) -> None:
    section = DOCUMENT.read_text().partition("## The figures")[2].partition("\n## ")[0]
    cells = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    documented = {f"railcni_{each}" for cell in cells for each in re.findall(r"`(\w+)`", cell)}

    def differing() -> set[str]:
        page = fleet.agents[0].page("/metrics")
        return documented ^ set(re.findall(r"^# TYPE (railcni_\w+)", page, re.MULTILINE))

    wait_until(lambda: not differing(), lambda: f"documented or served, not both: {differing()}")


def test_each_query_of_the_dashboard_has_data(prometheus: Prometheus) -> None:
    missing = dict(QUERIES)

    def all_have_data() -> bool:
        for title, expression in tuple(missing.items()):
            if prometheus.query(expression):
                del missing[title]
        return not missing

    wait_until(all_have_data, lambda: f"no data for {missing}")


def test_panels_show_what_is_so(fleet: Fleet, prometheus: Prometheus) -> None:
    one, two = (name(node) for node in fleet.cluster.nodes)

    def shown(title: str, *labels: str) -> dict[tuple[str, ...], float]:
        return prometheus.values(QUERIES[title], *labels)

    assert shown("Now, Agents that answer, ") == {(): 2}
    assert shown("Now, Rails down, ") == {(): 0}
    assert shown("Now, Nodes with problems, ") == {(): 0}, fleet.agents[0].page("/readyz")
    assert shown("Rails, Carrier, {{node}} {{pf}}", "node", "pf") == {
        (node, pf): 1 for node in (one, two) for pf in ("roce0", "roce1")
    }
    assert shown("Rails, Attachments, {{rail}}", "rail") == {("roce-a",): 2, ("roce-b",): 1}
    vfs = shown("Rails, VFs, {{pf}} {{state}}", "pf", "state")
    assert (vfs["roce0", "held"], vfs["roce0", "free"], vfs["roce1", "held"]) == (2, 6, 1)
    slots = shown("Addresses, Slots, {{fabric}} {{state}}", "fabric", "state")
    assert (slots["backend", "held"], slots["home", "held"]) == (3, 3)
    taken = shown("Addresses, Share that is taken, {{fabric}}", "fabric")
    assert taken == {("backend",): 4 / 32}

    def paths() -> dict[tuple[str, ...], float]:
        return shown("Direct paths, Paths, {{state}}", "state")

    wait_until(lambda: paths()["direct",] == 4, lambda: f"{paths()}, expected 2 × 2 direct")


def test_each_rule_is_evaluated(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in rules()), lambda: f"{rules()}")
    assert [rule for rule in rules() if rule["health"] != "ok"] == []


def test_troubles_are_told(fleet: Fleet, prometheus: Prometheus) -> None:
    node, other = fleet.cluster.nodes
    fleet.pull(node, "roce0")
    fleet.set_mtu(node, "roce1", 1500)
    fleet.etcd.stop()
    fleet.agents[1].send(signal.SIGSTOP)
    wanted = {
        ("RailDown", name(node), "roce0"),
        ("RailMtuTooSmall", name(node), "roce1"),
        ("RailEtcdUnreachable", name(node), ""),
        ("RailAgentDown", name(other), ""),
    }
    heard: dict[tuple[str, ...], dict[str, str]] = {}

    def is_told() -> bool:
        for alert in prometheus.ask("alerts")["alerts"]:
            labels = alert["labels"]
            key = tuple(labels.get(each, "") for each in ("alertname", "node", "pf"))
            heard[key] = alert["annotations"]
        return wanted <= heard.keys()

    wait_until(is_told, lambda: f"{heard.keys()}, expected {wanted}")
    down = heard["RailDown", name(node), "roce0"]
    assert down["summary"] == f"roce0 of {name(node)} carries nothing"
    mtu = heard["RailMtuTooSmall", name(node), "roce1"]
    assert mtu["summary"] == f"roce1 of {name(node)} has an MTU of only 1500"
