"""The dashboard, as far as its queries go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).parent / "dashboard.json"
_ALL = ".*"
"""What Grafana puts in for *All* nodes, or clusters."""


@dataclass(frozen=True, slots=True)
class Query:
    """One of a panel's queries."""

    expression: str
    """With Grafana's variables."""
    legend: str
    """With labels as `{{node}}`."""

    def substituted(self, rate_interval: str) -> str:
        """Return it as Prometheus takes it.

        Args:
            rate_interval: over which rates are taken, such as `2m`.
        """
        variables = {"$__rate_interval": rate_interval, "$cluster": _ALL, "$node": _ALL}
        expression = self.expression
        for name, value in variables.items():
            expression = expression.replace(name, value)
        return expression


@dataclass(frozen=True, slots=True)
class Place:
    """Where a panel is: in columns, of which there are 24, and lines of 30 pixels."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture of the dashboard."""

    number: int
    row: str
    title: str
    kind: str
    """As Grafana calls it: `timeseries`, `state-timeline`, `stat`."""
    unit: str
    """The same: `s`, `percentunit`."""
    place: Place
    stacked: bool
    """Whether its series lie on each other."""
    queries: tuple[Query, ...]


def panels(document: str) -> Iterator[Panel]:
    """Yield the panels of a dashboard, rows apart.

    Args:
        document: its JSON.
    """
    row = ""
    for panel in json.loads(document)["panels"]:
        if panel["type"] == "row":
            row = panel["title"]
            continue
        yield Panel(
            panel["id"], row, panel["title"], panel["type"],
            panel["fieldConfig"]["defaults"]["unit"],
            Place(**panel["gridPos"]),
            "stacking" in panel["fieldConfig"]["defaults"].get("custom", {}),
            tuple(Query(each["expr"], each["legendFormat"]) for each in panel["targets"]),
        )  # fmt: skip
