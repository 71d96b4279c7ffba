"""The rules: Prometheus takes them, and each alert fires when it should and not a moment before."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.monitoring.manifest import FOLDER, MANIFEST, RULES, prometheus_rule
from tests.unit.deploy.rendering import one, rendered, rendered_at

DOCUMENT = Path(__file__).parents[2] / "docs/monitoring.md"
CASES = tuple(sorted((Path(__file__).parent / "rules").glob("*.yaml")))
SEVERITIES = {"critical", "warning", "info"}
_LABEL = re.compile(r"\$labels\.(\w+)")
_MATCHER = re.compile(r'(\w+)="([^"]*)"')


def document(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


@cache
def rules() -> list[dict[str, Any]]:
    return [
        rule for file in RULES for group in document(file)["groups"] for rule in group["rules"]
    ]  # fmt: skip


ALERTS = [rule for rule in rules() if "alert" in rule]


@cache
def expected() -> dict[str, tuple[list[dict[str, str]], int]]:
    """Return for each alert the labels with which it is to fire, and how often it is not to."""
    found: dict[str, tuple[list[dict[str, str]], int]] = {a["alert"]: ([], 0) for a in ALERTS}
    for test in (test for file in CASES for test in document(file)["tests"]):
        fired = [
            dict(_MATCHER.findall(sample["labels"]))
            for case in test["promql_expr_test"]
            for sample in case["exp_samples"]
            if sample["labels"].startswith("ALERTS")
        ]
        cases = [*test["promql_expr_test"], *test.get("alert_rule_test", ())]
        silent = any(not case.get("exp_samples", case.get("exp_alerts")) for case in cases)
        for labels in fired:
            firing, times = found[labels["alertname"]]
            found[labels["alertname"]] = ([*firing, labels], times + silent)
    return found


def run(program: str, *words: str | Path) -> None:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", RULES, ids=lambda file: file.stem)
def test_prometheus_takes_them(promtool: str, file: Path) -> None:
    run(promtool, "check", "rules", file)


def test_prometheus_takes_the_configuration_that_we_show(promtool: str) -> None:
    run(promtool, "check", "config", FOLDER / "prometheus.yml")


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should(promtool: str, file: Path) -> None:
    run(promtool, "test", "rules", file)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_of_each_alert_is_known_when_it_fires_and_when_not(alert: dict[str, Any]) -> None:
    firing, times_silent = expected()[alert["alert"]]
    assert firing
    assert times_silent or "for" not in alert


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_each_alert_says_what_is_so_what_it_means_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in SEVERITIES
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    text = " ".join(alert["annotations"].values())
    firing, _ = expected()[alert["alert"]]
    for labels in firing:
        # A label that is not there would leave a hole in the sentence.
        assert set(_LABEL.findall(text)) <= labels.keys()
        assert labels["severity"] == alert["labels"]["severity"]


def test_the_operators_manifest_has_the_same_rules() -> None:
    contents = [file.read_text() for file in RULES]
    assert MANIFEST.read_text() == prometheus_rule(contents)
    groups = [group for content in contents for group in yaml.safe_load(content)["groups"]]
    assert document(MANIFEST)["spec"] == {"groups": groups}
    assert len({group["name"] for group in groups}) == len(groups)


def test_an_overlay_takes_all_of_it_as_a_component(tmp_path: Path) -> None:
    folder = tmp_path / "overlay"
    shutil.copytree(FOLDER, tmp_path / "monitoring")
    folder.mkdir()
    (folder / "kustomization.yaml").write_text("components: [../monitoring]\n")
    kinds = {each["kind"]: each for each in rendered_at(folder)}
    assert kinds.keys() == {"PodMonitor", "PrometheusRule", "ConfigMap"}
    assert {each["metadata"]["namespace"] for each in kinds.values()} == {"railcni"}
    assert kinds["PrometheusRule"] == document(MANIFEST)
    assert kinds["ConfigMap"]["data"]["railcni.json"] == (FOLDER / "dashboard.json").read_text()


def test_the_operator_finds_the_agents_by_what_the_base_calls_them() -> None:
    monitor = document(FOLDER / "podmonitor.yaml")["spec"]
    daemons = one(rendered("base"), "DaemonSet", "rail-agent")["spec"]["template"]
    selector = monitor["selector"]["matchLabels"]
    assert selector.items() <= daemons["metadata"]["labels"].items()
    (endpoint,) = monitor["podMetricsEndpoints"]
    ports = [port for each in daemons["spec"]["containers"] for port in each.get("ports", ())]
    assert endpoint["port"] in {port["name"] for port in ports}


def test_the_document_has_each_alert_and_no_other() -> None:
    headings = re.findall(r"^\| `(Rail\w+)` \|", DOCUMENT.read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(alert["alert"] for alert in ALERTS)
