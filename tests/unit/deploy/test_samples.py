"""The sample pod and Job: they ask for rails that are there, and may do what they do."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from cni import __version__
from install.job import forms
from install.nad.devices import ANNOTATION
from tests.unit.deploy.rendering import (
    DEPLOY,
    ROOT,
    Document,
    containers,
    one,
    pod_of,
    rendered,
    rendered_at,
)

NETWORKS = "k8s.v1.cni.cncf.io/networks"
SAMPLES = [("Pod", "rails"), ("Job", "train")]


def sample(kind: str, name: str) -> tuple[Document, Document]:
    """Return the metadata and the spec of a sample's pods."""
    document = one(rendered("samples"), kind, name)
    pod = pod_of(document)
    assert pod
    template = document if kind == "Pod" else document["spec"]["template"]
    return dict(template["metadata"]), pod


def mounts(pod: Document, container: Document) -> dict[PurePosixPath, Document]:
    """Return a container's volumes by where they are."""
    volumes = {each["name"]: each for each in pod["volumes"]}
    return {
        PurePosixPath(each["mountPath"]): volumes[each["name"]]
        for each in container["volumeMounts"]
    }


@pytest.mark.parametrize(("kind", "name"), SAMPLES)
def test_each_network_that_is_asked_for_has_its_device(kind: str, name: str) -> None:
    metadata, pod = sample(kind, name)
    asked = re.split(r",\s*", metadata["annotations"][NETWORKS])
    nads = {each["metadata"]["name"]: each for each in rendered("nads")}
    needed = {nads[each]["metadata"]["annotations"][ANNOTATION]: 1 for each in asked}
    resources = pod["containers"][0]["resources"]
    requested = {key: n for key, n in resources["requests"].items() if key.startswith("rdma/")}
    assert requested == needed
    assert resources["requests"] == resources["limits"], "extended resources and huge pages"
    security = pod["containers"][0]["securityContext"]
    assert security["capabilities"]["add"] == ["IPC_LOCK"]
    assert {"medium": "HugePages"} in [each.get("emptyDir") for each in pod["volumes"]]


@pytest.mark.parametrize(("kind", "name"), SAMPLES)
def test_init_containers_find_and_leave_what_they_must(kind: str, name: str) -> None:
    _, pod = sample(kind, name)
    script = pod["containers"][0]["args"][0]
    for container in pod["initContainers"]:
        there = mounts(pod, container)
        written = PurePosixPath(container["args"][container["args"].index("--file") + 1])
        assert there[written.parent] == mounts(pod, pod["containers"][0])[written.parent]
        assert str(written) in script
        if container["args"][1] == "nccl-env":
            source = there[PurePosixPath(forms.ANNOTATIONS).parent]["downwardAPI"]["items"]
            assert source == [
                {
                    "path": forms.ANNOTATIONS.name,
                    "fieldRef": {"fieldPath": "metadata.annotations"},
                }
            ]


def test_the_jobs_ranks_are_counted_listed_and_named_alike() -> None:
    job = one(rendered("samples"), "Job", "train")
    metadata, pod = sample("Job", "train")
    words = pod["initContainers"][1]["args"]
    options = dict(zip(words[2::2], words[3::2], strict=True))
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert {spec["completions"], spec["parallelism"]} == {int(options["--nodes"])}
    assert options["--job"] == job["metadata"]["name"]
    assert options["--network"] in metadata["annotations"][NETWORKS]
    env = pod["initContainers"][1]["env"]
    assert env == [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]


def test_only_the_init_container_may_list_pods_and_nothing_more() -> None:
    _, pod = sample("Job", "train")
    tenant = rendered("ai-train")
    role = one(tenant, "Role", "hostfile")["rules"]
    assert role == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]
    binding = one(tenant, "RoleBinding", "hostfile")
    assert binding["roleRef"]["name"] == "hostfile"
    subject = binding["subjects"][0]
    assert (subject["name"], subject["namespace"]) == (pod["serviceAccountName"], "ai-train")
    there = mounts(pod, pod["initContainers"][1])
    sources: list[dict[str, Any]] = there[PurePosixPath(forms.SECRETS)]["projected"]["sources"]
    assert [next(iter(each)) for each in sources] == [
        "serviceAccountToken", "configMap", "downwardAPI",
    ]  # fmt: skip
    for other in (pod["initContainers"][0], pod["containers"][0]):
        assert PurePosixPath(forms.SECRETS) not in mounts(pod, other)


def test_the_api_server_is_reached_by_who_asks_it_alone() -> None:
    metadata, _ = sample("Job", "train")
    policies = rendered("ai-train")
    selector = one(policies, "NetworkPolicy", "api-server")["spec"]["podSelector"]["matchLabels"]
    assert selector.items() <= metadata["labels"].items()
    deny = one(policies, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_all_that_is_asked_of_the_samples_namespace_is_there() -> None:
    for document in (*rendered("samples"), *rendered("nads")):
        assert document["metadata"]["namespace"] == "ai-train"
    page = (ROOT / "docs/deployments/gpu-rails.md").read_text("utf-8")
    labels = one(rendered("ai-train"), "Namespace", "ai-train")["metadata"]["labels"]
    for label in (key for key in labels if key.startswith("railcni.io/")):
        assert f"`{label}: {labels[label]}`" in page


def test_an_overlay_of_ones_own_builds_on_ours(tmp_path: Path) -> None:
    text = (DEPLOY / "README.md").read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    relative = os.path.relpath(DEPLOY, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(text.replace("railcni/deploy", relative), "utf-8")
    (tmp_path / "node.toml").write_text("# of my own\n", "utf-8")
    documents = rendered_at(tmp_path)
    assert one(documents, "ConfigMap", "railcni")["data"]["node.toml"] == "# of my own\n"
    pod = pod_of(one(documents, "DaemonSet", "rail-agent"))
    assert pod
    images = {each["image"] for each in containers(pod)}
    assert images == {f"registry.example.net/railcni:{__version__}"}


def test_commands_in_the_documents_name_folders_that_can_be_applied() -> None:
    for page in (ROOT / "docs/deployments").glob("*.md"):
        for folder in re.findall(
            r"kubectl (?:apply|delete) -k (deploy/[\w./-]+)", page.read_text("utf-8")
        ):
            file = ROOT / folder / "kustomization.yaml"
            assert yaml.safe_load(file.read_text("utf-8"))["kind"] == "Kustomization", folder
