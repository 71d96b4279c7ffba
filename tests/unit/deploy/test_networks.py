"""NADs, node files, the device plugin, etcd's addresses: what is said twice is said alike."""

from __future__ import annotations

import json
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from cni.agent import config as agent_config
from install.doctor.findings import Severity
from install.nad.devices import ANNOTATION
from install.nad.lint import Source, lint
from install.nad.remarks import Measure
from install.nad.render import Wishes, nads
from ipam.node_file import NodeFile
from ipam.node_file.reading import read
from tests.unit.deploy.rendering import DEPLOY, OVERLAYS, Document, one, rendered

WITH_RAILS = {"gpu-rails": DEPLOY / "nads", "infiniband": DEPLOY / "overlays/infiniband/nads"}


def node_file(text: str) -> NodeFile:
    reading = read(text.encode())
    assert reading.file, reading.errors
    return reading.file


def example() -> NodeFile:
    return node_file((DEPLOY / "node.toml").read_text("utf-8"))


def given_to(overlay: str) -> dict[str, str]:
    data: dict[str, str] = one(rendered(f"overlays/{overlay}"), "ConfigMap", "railcni")["data"]
    return data


def files(folder: Path) -> dict[str, str]:
    return {
        file.stem: file.read_text("utf-8")
        for file in folder.glob("*.yaml")
        if file.stem != "kustomization"
    }


def test_the_nads_are_what_render_writes_of_the_example() -> None:
    declared = example()
    kept = {name: declared.fabrics[name] for name in ("backend", "storage")}
    chosen = declared.model_copy(update={"fabrics": kept})
    assert files(DEPLOY / "nads") == {
        one.name: one.text for one in nads(chosen, Wishes("ai-train"))
    }


def test_the_rails_nads_are_clean() -> None:
    sources = [Source(name, text) for name, text in files(DEPLOY / "nads").items()]
    assert lint(sources, Measure(9000, node_file(given_to("gpu-rails")["node.toml"]))) == []


def test_infinibands_nads_are_right_but_for_an_mtu_that_its_plugin_has_not() -> None:
    sources = [Source(name, text) for name, text in files(WITH_RAILS["infiniband"]).items()]
    found = lint(sources, Measure(2044, node_file(given_to("infiniband")["node.toml"])))
    assert {(each.finding.check, each.finding.severity) for each in found} == {
        ("mtu", Severity.WARNING)
    }


def test_the_overlay_has_the_examples_fabrics() -> None:
    declared = dict(example().fabrics)
    del declared["lab"]
    assert node_file(given_to("gpu-rails")["node.toml"]).fabrics == declared


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_nodes_files_are_sound(overlay: str, tmp_path: Path) -> None:
    data = given_to(overlay)
    node_file(data["node.toml"])
    file = tmp_path / "agent.toml"
    file.write_text(data["agent.toml"], "utf-8")
    file.chmod(0o600)
    settings = agent_config.load(file)
    daemonset = one(rendered(f"overlays/{overlay}"), "DaemonSet", "rail-agent")
    pod = daemonset["spec"]["template"]["spec"]
    host = {each["name"]: each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each}
    assert settings.cni_path == (host["cni-bin"],)
    assert settings.hostgw is None or settings.hostgw.conflists == host["cni-conf"]
    assert settings.metrics
    assert pod["containers"][0]["ports"][0]["containerPort"] == settings.metrics.port


def selectors(overlay: str) -> dict[str, dict[str, Any]]:
    config = one(rendered(f"overlays/{overlay}"), "ConfigMap", "sriovdp-config")["data"]
    listed: list[dict[str, Any]] = json.loads(config["config.json"])["resourceList"]
    return {
        f"{each['resourcePrefix']}/{each['resourceName']}": each["selectors"] for each in listed
    }


@pytest.mark.parametrize("overlay", WITH_RAILS)
def test_the_device_plugin_the_node_file_and_the_nads_name_the_same_resources(overlay: str) -> None:
    offered = selectors(overlay)
    declared = node_file(given_to(overlay)["node.toml"])
    resources = {
        name: rail.resource for f in declared.fabrics.values() for name, rail in f.rails.items()
    }
    assert sorted(resources.values()) == sorted(offered)
    asked = {
        each["metadata"]["name"]: each["metadata"]["annotations"][ANNOTATION]
        for each in rendered(f"overlays/{overlay}")
        if each["kind"] == "NetworkAttachmentDefinition"
    }
    assert asked == resources
    for each in offered.values():
        assert each["isRdma"] is True
        assert len(each["pfNames"]) == 1
    assert len({each["pfNames"][0] for each in offered.values()}) == len(offered)


def test_infinibands_agent_watches_what_the_device_plugin_offers(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(given_to("infiniband")["agent.toml"], "utf-8")
    file.chmod(0o600)
    watched = agent_config.load(file).pfs
    assert [(pf,) for pf in watched] == [
        tuple(each["pfNames"]) for each in selectors("infiniband").values()
    ]


def etcd_addresses(folder: str) -> list[str]:
    services = [each for each in rendered(folder) if each["kind"] == "Service"]
    assert {each["metadata"]["name"] for each in services} >= {"etcd", "etcd-0"}
    found = [each["spec"]["clusterIP"] for each in services]
    return [address for address in found if address != "None"]


@pytest.mark.parametrize("overlay", WITH_RAILS)
def test_nodes_find_every_member(overlay: str) -> None:
    settings = node_file(given_to(overlay)["node.toml"]).etcd
    assert settings
    expected = [f"https://{address}:2379" for address in etcd_addresses("etcd/three")]
    assert list(settings.endpoints) == expected


@pytest.mark.parametrize(
    ("folder", "services"), [("etcd/three", "10.96.0.0/12"), ("etcd/single", "10.43.0.0/16")]
)
def test_members_addresses_are_none_that_kubernetes_gives_out_by_itself(
    folder: str, services: str
) -> None:
    """Of a network of 4096 addresses or more, the first 256 are for those who ask (KEP-3070)."""
    network = ip_network(services)
    static = {str(network[offset]) for offset in range(11, 257)}  # .1 and .10 are the API's, DNS's
    assert set(etcd_addresses(folder)) <= static


def test_each_members_service_leads_to_it_alone() -> None:
    documents = rendered("etcd/three")
    stateful: Document = one(documents, "StatefulSet", "etcd")["spec"]
    for number in range(stateful["replicas"]):
        selector = one(documents, "Service", f"etcd-{number}")["spec"]["selector"]
        assert selector == {"statefulset.kubernetes.io/pod-name": f"etcd-{number}"}
    budget = one(documents, "PodDisruptionBudget", "etcd")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["selector"] == stateful["selector"]
