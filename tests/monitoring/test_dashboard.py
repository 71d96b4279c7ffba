"""The dashboard's document: a person can read it, and Grafana takes it."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from deploy.monitoring.dashboard import FILE, Panel, panels

DOCUMENT = FILE.read_text()
BOARD: dict[str, Any] = json.loads(DOCUMENT)
PANELS = list(panels(DOCUMENT))
UNITS = {"bytes", "none", "percentunit", "pps", "reqps", "s", "short"}
WIDTH = 24
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_LABEL = re.compile(r"\{\{(\w+)\}\}")
_GROUPED = re.compile(r"\bby \(([^)]*)\)")


def cells(place: dict[str, int]) -> set[tuple[int, int]]:
    across = range(place["x"], place["x"] + place["w"])
    return set(itertools.product(across, range(place["y"], place["y"] + place["h"])))


def test_what_grafana_asks_of_it() -> None:
    assert (BOARD["title"], BOARD["uid"]) == ("railcni", "railcni")
    assert BOARD["schemaVersion"] >= 39
    assert "id" not in BOARD, "Grafana gives it one"
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in BOARD["panels"]:
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert len(set(letters)) == len(letters)


def test_no_panel_lies_on_another_or_leaves_a_gap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        own = cells(panel["gridPos"])
        assert not own & taken, panel["title"]
        taken |= own
    height = 1 + max(y for _, y in taken)
    assert taken == set(itertools.product(range(WIDTH), range(height)))


def test_it_has_a_row_for_each_subject() -> None:
    assert list(dict.fromkeys(panel.row for panel in PANELS)) == [
        "Now", "Rails", "Requests", "Addresses", "Direct paths", "Agent",
    ]  # fmt: skip


def test_the_data_source_is_whoever_opens_its_to_choose() -> None:
    sources = [panel["datasource"] for panel in BOARD["panels"] if panel["type"] != "row"]
    sources += [each["datasource"] for each in BOARD["annotations"]["list"]]
    assert sources
    assert all(each == {"type": "prometheus", "uid": "${datasource}"} for each in sources)


def test_each_variable_that_is_used_is_defined() -> None:
    defined = {variable["name"] for variable in BOARD["templating"]["list"]}
    assert defined == {"datasource", "cluster", "node"}
    assert set(_VARIABLE.findall(DOCUMENT)) - {"__rate_interval", "__all"} == defined


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.number} {panel.title}")
def test_each_panel_says_what_it_shows(panel: Panel) -> None:
    source = next(each for each in BOARD["panels"] if each["id"] == panel.number)
    assert source["description"]
    assert panel.unit in UNITS
    assert panel.queries
    for query in panel.queries:
        # By whom something is grouped stands in its legend, and by whom it is not does not.
        for labels in _GROUPED.findall(query.expression):
            grouped = set(labels.split(", ")) - {"le"}
            assert set(_LABEL.findall(query.legend)) == grouped, query
        assert query.legend or panel.kind == "stat"


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: f"{panel.number} {panel.title}")
def test_each_query_goes_by_the_variables(panel: Panel) -> None:
    for query in panel.queries:
        if "ALERTS" not in query.expression:
            assert "$cluster" in query.expression
            assert "$node" in query.expression or query.expression.startswith("fabric:")
        assert "[5m]" not in query.expression, "a fixed time hides what is zoomed into"
