"""What the agent tells Prometheus; the only module that knows its client library.

The library imports a web server and more, so nothing imports this module but the agent itself.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

import cni
from cni.protocol.versions import Command

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from cni.agent.interface import Family, Figures

log = logging.getLogger(__name__)

_PREFIX = "railcni_"
_BUCKETS = (
    0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0,
)  # fmt: skip
_COMMANDS = frozenset(command.value for command in Command)


class Metrics:
    """The agent's metrics."""

    def __init__(self) -> None:
        # Else there is a third series beside each count and sum.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's omission
        of = self._registry = CollectorRegistry(auto_describe=True)
        by = ("program", "command")
        self._requests = Counter(_PREFIX + "requests", "Requests answered", by, registry=of)
        self._errors = Counter(
            _PREFIX + "errors", "Requests answered with an error", (*by, "code"), registry=of
        )
        self._seconds = Histogram(
            _PREFIX + "request_seconds", "Time that a request took, by step",
            ("command", "step"), registry=of, buckets=_BUCKETS,
        )  # fmt: skip
        self._refused = Counter(
            _PREFIX + "refused", "Requests refused before they began", ("reason",), registry=of
        )
        self._stripped = Counter(
            _PREFIX + "stripped_routes", "Routes left out: no rail may carry them", registry=of
        )
        self._runs = Counter(
            _PREFIX + "chore_runs", "Runs of a chore", ("chore", "outcome"), registry=of
        )
        self._chore_seconds = Gauge(
            _PREFIX + "chore_seconds", "Time that a chore's last run took", ("chore",), registry=of
        )
        Info(_PREFIX + "build", "The agent's version, and Python's", registry=of).info(
            {"version": cni.__version__, "python": platform.python_version()}
        )
        ProcessCollector(registry=of)
        self._sources = _Sources({family.name for family in of.collect()})
        of.register(self._sources)
        of.register(self._sources.failed)  # after those whose failures it counts

    def served(self, program: str, command: str, code: int, seconds: Mapping[str, float]) -> None:
        """Count a request that was answered.

        Args:
            program: the plugin's name.
            command: as the runtime gave it.
            code: of the CNI error, 0 for success.
            seconds: what each step took: `parse`, `ipam`, `kernel`, and all as `total`.
        """
        command = command if command in _COMMANDS else "unknown"  # anything could be in there
        self._requests.labels(program, command).inc()
        if code:
            self._errors.labels(program, command, str(code)).inc()
        for step, took in seconds.items():
            self._seconds.labels(command, step).observe(took)

    def refused(self, reason: str) -> None:
        """Count a request that was refused; `reason` is one of a few words."""
        self._refused.labels(reason).inc()

    def stripped(self, routes: int = 1) -> None:
        """Count routes that were left out."""
        self._stripped.inc(routes)

    def chore(self, name: str, outcome: str, seconds: float) -> None:
        """Count a chore's run; `outcome` is one of a few words."""
        for each in ("done", "failed"):
            self._runs.labels(name, each)  # Prometheus takes no first value for an increase
        self._runs.labels(name, outcome).inc()
        self._chore_seconds.labels(name).set(seconds)

    def add(self, figures: Figures) -> None:
        """Show on each page what this tells."""
        self._sources.add(figures)

    def page(self) -> bytes:
        """Return all of it in Prometheus's text format."""
        return generate_latest(self._registry)


class _Sources(Collector):
    """Asks each source of figures at each page; one that fails is left out, and counted."""

    def __init__(self, taken: set[str]) -> None:
        name = _PREFIX + "figures_failed"
        self.failed = Counter(name, "Failures to tell a part's figures", registry=None)
        self._taken = taken | {name}
        self._problems: dict[Figures, str] = {}

    def add(self, figures: Figures) -> None:
        self._problems = {**self._problems, figures: ""}

    def describe(self) -> list[Metric]:
        """Name nothing: what there will be only the sources know."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Return what can be told."""
        taken = self._taken
        for figures in tuple(self._problems):
            names = set(taken)
            try:
                told = [_metric(family, names) for family in figures()]
            except Exception as error:  # noqa: BLE001 - no part may break the page
                self.failed.inc()
                self._note(figures, error)
                continue
            taken = names
            self._note(figures, None)
            yield from told

    def _note(self, figures: Figures, error: Exception | None) -> None:
        problem = f"{type(error).__name__}: {error}" if error else ""
        if problem != self._problems[figures]:
            self._problems[figures] = problem
            source = getattr(figures, "__qualname__", repr(figures))
            if error:
                log.error("no figures of %s: %s", source, problem, exc_info=error)
            else:
                log.info("%s tells its figures again", source)


def _metric(family: Family, taken: set[str]) -> Metric:
    """Return a family as the library has it (ValueError for what would spoil the page).

    Args:
        family: what a part tells.
        taken: names that are on the page; this one's is added.
    """
    kind = GaugeMetricFamily if family.kind == "gauge" else CounterMetricFamily
    metric = kind(_PREFIX + family.name, family.help, labels=family.labels)
    if metric.name in taken:
        raise ValueError(f"{metric.name} is on the page already")
    seen = set()
    for sample in family.samples:
        labels = tuple(_text(label) for label in sample.labels)
        if len(labels) != len(family.labels) or labels in seen:
            raise ValueError(
                f"{metric.name} has {labels}, expected one value each of {family.labels}, once"
            )
        seen.add(labels)
        metric.add_metric(labels, float(sample.value))
    taken.add(metric.name)
    return metric


def _text(label: str) -> str:
    """Return a label's value as UTF-8 has it: names on a node are bytes."""
    return str(label).encode("utf-8", "backslashreplace").decode()
