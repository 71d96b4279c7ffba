"""The page that Prometheus reads: complete, and whole whatever a part does."""

from __future__ import annotations

import logging
import platform
import subprocess
import sys
import threading
from collections.abc import Iterable

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

import cni
from cni.agent.interface import Family, Sample
from cni.agent.metrics import Metrics


def read(metrics: Metrics) -> dict[str, float]:
    """Return the page's values by name and labels, as Prometheus has them."""
    return {
        sample.name
        + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
    }


def test_requests() -> None:
    metrics = Metrics()
    metrics.served("rail-sriov", "ADD", 0, {"parse": 0.0001, "total": 0.0025})
    metrics.served("rail-sriov", "ADD", 11, {"total": 61.0})
    metrics.served("rail-ipam", "\udcff", 4, {})
    metrics.refused("full")
    metrics.stripped(3)
    page = read(metrics)
    assert page["railcni_requests_total command=ADD program=rail-sriov"] == 2
    assert page["railcni_requests_total command=unknown program=rail-ipam"] == 1
    assert page["railcni_errors_total code=11 command=ADD program=rail-sriov"] == 1
    assert "railcni_errors_total code=0 command=ADD program=rail-sriov" not in page
    assert page["railcni_request_seconds_bucket command=ADD le=0.001 step=parse"] == 1
    assert page["railcni_request_seconds_bucket command=ADD le=0.002 step=total"] == 0
    assert page["railcni_request_seconds_bucket command=ADD le=0.003 step=total"] == 1
    assert page["railcni_request_seconds_bucket command=ADD le=60.0 step=total"] == 1
    assert page["railcni_request_seconds_count command=ADD step=total"] == 2
    assert page["railcni_refused_total reason=full"] == 1
    assert page["railcni_stripped_routes_total"] == 3


def test_chores() -> None:
    metrics = Metrics()
    metrics.chore("drift", "done", 0.5)
    metrics.chore("drift", "failed", 0.25)
    page = read(metrics)
    assert page["railcni_chore_runs_total chore=drift outcome=done"] == 1
    assert page["railcni_chore_runs_total chore=drift outcome=failed"] == 1
    assert page["railcni_chore_seconds chore=drift"] == 0.25


def test_the_process_and_its_version() -> None:
    page = read(Metrics())
    version = f"python={platform.python_version()} version={cni.__version__}"
    assert page[f"railcni_build_info {version}"] == 1
    assert page["process_resident_memory_bytes"] > 1 << 20
    assert page["process_open_fds"] > 2
    assert "process_cpu_seconds_total" in page
    assert not any(name.partition(" ")[0].endswith("_created") for name in page)


def test_nothing_is_in_the_registry_of_all_programs() -> None:
    Metrics()
    Metrics()
    assert not any(family.name.startswith("railcni") for family in REGISTRY.collect())


def test_figures_are_told_anew_for_each_page() -> None:
    metrics = Metrics()
    rails: dict[tuple[str, ...], float] = {("roce-a",): 3.0}
    metrics.add(lambda: [Family.of("slots", "Slots", rails, "rail")])
    metrics.add(lambda: [Family.of("joins", "Joins", {(): 2.0}, kind="counter")])
    assert read(metrics)["railcni_slots rail=roce-a"] == 3
    rails["roce-\udcff",] = 4.0
    page = read(metrics)
    assert page[r"railcni_slots rail=roce-\udcff"] == 4  # as Python writes what is no UTF-8
    assert page["railcni_joins_total"] == 2
    assert page["railcni_figures_failed_total"] == 0


def gauge(name: str, *samples: Sample, labels: tuple[str, ...] = ("rail",)) -> Family:
    return Family(name, "Text", "gauge", labels, samples)


@pytest.mark.parametrize(
    "told",
    [
        [gauge("slots", Sample(("a",), 1.0)), gauge("slots", Sample(("b",), 1.0))],
        [gauge("figures", Sample(("a",), 1.0), Sample(("a",), 2.0))],
        [gauge("figures", Sample(("a", "b"), 1.0))],
        [gauge("figures", Sample((), 1.0))],
        [gauge("chore_seconds", Sample(("a",), 1.0))],
        [gauge("figures", Sample(("a",), None))],  # type: ignore[arg-type]  # as a bug would
        [None],
    ],
)
def test_what_would_spoil_the_page_is_left_out(told: list[Family]) -> None:
    metrics = Metrics()
    metrics.add(lambda: told)
    metrics.add(lambda: [gauge("slots", Sample(("z",), 1.0))])
    page = read(metrics)
    assert page["railcni_slots rail=z"] == 1
    assert not [name for name in page if "rail=a" in name]
    assert page["railcni_figures_failed_total"] == 1
    assert read(metrics)["railcni_figures_failed_total"] == 2


def test_two_parts_cannot_tell_the_same() -> None:
    metrics = Metrics()
    for number in (1.0, 2.0):
        metrics.add(lambda number=number: [gauge("slots", Sample(("a",), number))])  # type: ignore[misc]
    page = read(metrics)
    assert page["railcni_slots rail=a"] == 1
    assert page["railcni_figures_failed_total"] == 1


def test_a_source_that_fails_is_named_when_that_changes(caplog: pytest.LogCaptureFixture) -> None:
    metrics, problem = Metrics(), ["away"]

    def figures() -> Iterable[Family]:
        if problem:
            raise OSError(problem[0])
        return []

    metrics.add(figures)
    with caplog.at_level(logging.INFO, "cni.agent"):
        for now in (["away"], ["away"], ["gone"], [], []):
            problem[:] = now
            metrics.page()
    assert [record.getMessage().partition("figures: ")[2] for record in caplog.records] == [
        "OSError: away",
        "OSError: gone",
        "",
    ]


def test_threads_count_together() -> None:
    metrics = Metrics()

    def serve() -> None:
        for _ in range(200):
            metrics.served("rail-sriov", "DEL", 0, {"total": 0.001})
            metrics.page()

    threads = [threading.Thread(target=serve) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert read(metrics)["railcni_requests_total command=DEL program=rail-sriov"] == 800


def test_no_plugin_imports_the_library() -> None:
    modules = "sys, cni.agent.log, cni.agent.chores, cni.agent.http, cni.rail.plugin, ipam.plugin"
    script = f"import {modules}; sys.exit('prometheus_client' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=30)
