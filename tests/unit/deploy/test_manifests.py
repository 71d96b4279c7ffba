"""Every folder that is applied renders, is what Kubernetes takes, and keeps our own rules."""

from __future__ import annotations

import kubernetes_validate
import pytest

from cni import __version__
from tests.unit.deploy.rendering import (
    DEPLOY,
    OVERLAYS,
    containers,
    one,
    pod_of,
    pods,
    rendered,
)

APPLIED = (
    "base", "namespace", "ai-train", "nads", "device-plugin", "policies", "samples", "etcd/three",
    "etcd/single", *(f"overlays/{name}" for name in OVERLAYS),
    *(f"uninstall/{name.replace('/', '-')}" for name in OVERLAYS),
)  # fmt: skip
ELSEWHERE = {"demo", "image", "monitoring"}
"""Folders of deploy/ that have tests of their own."""
CUSTOM = {"NetworkAttachmentDefinition"}
"""Kinds that Kubernetes has no schema for; test_networks.py judges them."""
RELEASES = ("1.30", kubernetes_validate.latest_version())
"""The first with ValidatingAdmissionPolicy in v1, and the last that there is a schema of."""
DAEMONSETS = [f"overlays/{name}" for name in OVERLAYS] + ["base"]


def test_every_folder_that_can_be_applied_is_tested() -> None:
    found = {
        str(file.parent.relative_to(DEPLOY))
        for file in DEPLOY.rglob("kustomization.yaml")
        if "kind: Component" not in file.read_text("utf-8")
        and file.relative_to(DEPLOY).parts[0] not in ELSEWHERE
    }
    parts = {"etcd/member", "overlays/infiniband/nads", "overlays/infiniband/device-plugin"}
    secrets = {"secrets/etcd", "secrets/hostgw"}  # test_secrets.py
    assert found == {*APPLIED, *parts, *secrets}


@pytest.mark.parametrize("folder", APPLIED)
def test_it_is_what_kubernetes_takes(folder: str) -> None:
    for document in rendered(folder):
        if document["kind"] in CUSTOM:
            continue
        for release in RELEASES:
            kubernetes_validate.validate(document, release, strict=True)


def test_a_misspelt_key_is_noticed() -> None:
    document = dict(one(rendered("base"), "DaemonSet", "rail-agent"))
    document["spec"] = {**document["spec"], "updateStrategie": {}}
    with pytest.raises(kubernetes_validate.ValidationError, match="updateStrategie"):
        kubernetes_validate.validate(document, RELEASES[-1], strict=True)


@pytest.mark.parametrize("folder", APPLIED)
def test_every_container_is_pinned_bounded_and_confined(folder: str) -> None:
    for maker, pod in pods(rendered(folder)):
        for container in containers(pod):
            where = f"{maker}, {container['name']}"
            repository, _, tag = container["image"].rpartition(":")
            assert repository, where
            assert tag != "latest", where
            assert container["imagePullPolicy"] in {"IfNotPresent", "Never"}, where
            assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, where
            assert "memory" in container["resources"]["limits"], where
            security = container["securityContext"]
            if security.get("privileged"):
                assert where.endswith("rail-agent, agent"), where
            else:
                assert security["allowPrivilegeEscalation"] is False, where
                assert security["capabilities"]["drop"] == ["ALL"], where
                profile = security.get("seccompProfile") or pod["securityContext"]["seccompProfile"]
                assert profile == {"type": "RuntimeDefault"}, where
            assert security.get("readOnlyRootFilesystem") or container["name"] == "train", where


@pytest.mark.parametrize("folder", APPLIED)
def test_who_stays_is_watched_and_who_has_no_business_has_no_token(folder: str) -> None:
    for maker, pod in pods(rendered(folder)):
        assert pod["automountServiceAccountToken"] is False, maker
        for container in pod["containers"]:
            is_empty = "/pause:" in container["image"]  # it does nothing that could hang
            assert "livenessProbe" in container or is_empty, f"{maker}, {container['name']}"


@pytest.mark.parametrize("folder", DAEMONSETS)
def test_the_daemonset_keeps_what_others_count_on(folder: str) -> None:
    documents = rendered(folder)
    daemonset = one(documents, "DaemonSet", "rail-agent")
    pod = pod_of(daemonset)
    assert pod is not None
    assert daemonset["metadata"]["namespace"] == "railcni"
    assert (pod["hostNetwork"], pod["hostPID"]) == (True, True)
    assert pod["priorityClassName"] == "system-node-critical"
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert pod["terminationGracePeriodSeconds"] == _stop_seconds()
    assert daemonset["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"]
    assert [each["name"] for each in pod["initContainers"]] == ["install"]
    assert [each["name"] for each in pod["containers"]] == ["agent", "installer"]
    assert {each["image"] for each in containers(pod)} == {f"ghcr.io/railcni/railcni:{__version__}"}
    config = one(documents, "ConfigMap", "railcni")
    assert config["data"].keys() == {"node.toml", "agent.toml"}
    # Neither talks to the API server.
    assert not [each for each in documents if "Role" in each["kind"]]


def _stop_seconds() -> int:
    """Return how long systemd waits for the agent."""
    unit = (DEPLOY / "rail-agent.service").read_text("utf-8")
    return int(unit.split("TimeoutStopSec=")[1].split()[0])


@pytest.mark.parametrize("folder", DAEMONSETS)
def test_the_installer_sees_no_more_of_the_node_than_it_writes(folder: str) -> None:
    pod = pod_of(one(rendered(folder), "DaemonSet", "rail-agent"))
    assert pod is not None
    host = {each["name"]: each["hostPath"] for each in pod["volumes"] if "hostPath" in each}
    install, installer = pod["initContainers"][0], pod["containers"][1]
    assert install["volumeMounts"] == installer["volumeMounts"]
    assert install["securityContext"] == installer["securityContext"]
    assert install["securityContext"]["capabilities"]["add"] == ["SYS_CHROOT"]
    mounts = {each["name"]: each for each in install["volumeMounts"]}
    assert mounts.keys() == {*host, "config", "secrets"}
    for name, place in host.items():
        assert mounts[name]["mountPath"] == f"/host{place['path']}"
        assert place["path"].count("/") >= 2, "no folder of the root as a whole"
    # The agent is the node's own; it needs no mount.
    assert "volumeMounts" not in pod["containers"][0]


@pytest.mark.parametrize("folder", DAEMONSETS)
def test_programs_and_folders_agree(folder: str) -> None:
    pod = pod_of(one(rendered(folder), "DaemonSet", "rail-agent"))
    assert pod is not None
    host = {each["name"]: each["hostPath"]["path"] for each in pod["volumes"] if "hostPath" in each}
    for container in (pod["initContainers"][0], pod["containers"][1]):
        options = dict(zip(container["args"][2::2], container["args"][3::2], strict=False))
        assert options["--root"] == "/host"
        assert options["--cni-bin"] == host["cni-bin"]
        assert options["--cni-conf"] == host["cni-conf"]
    assert pod["containers"][0]["args"][-1] == f"{host['cni-bin']}/railcni.d/railcni"


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_k3s_with_flannel_is_chained(name: str) -> None:
    documents = rendered(f"overlays/{name}")
    pod = pod_of(one(documents, "DaemonSet", "rail-agent"))
    assert pod is not None
    secrets = next(each for each in pod["volumes"] if each["name"] == "secrets")["projected"]
    wanted = name in {"k3s-wifi", "k3s-wsl2/flannel"}
    assert secrets["defaultMode"] == 0o400
    assert ("railcni-hostgw" in str(secrets)) == wanted
    for container in (pod["initContainers"][0], pod["containers"][1]):
        assert ("--chain-hostgw" in container["args"]) == wanted
    settings = one(documents, "ConfigMap", "railcni")["data"]["agent.toml"]
    assert ("[hostgw]" in settings) == wanted


def test_an_air_gapped_node_never_asks_a_registry() -> None:
    for _, pod in pods(rendered("overlays/air-gapped")):
        assert {each["imagePullPolicy"] for each in containers(pod)} == {"Never"}


@pytest.mark.parametrize("name", OVERLAYS)
def test_uninstalling_takes_the_place_of_the_same_daemonset(name: str) -> None:
    before = one(rendered(f"overlays/{name}"), "DaemonSet", "rail-agent")
    after = one(rendered(f"uninstall/{name.replace('/', '-')}"), "DaemonSet", "rail-agent")
    assert after["spec"]["selector"] == before["spec"]["selector"]
    was, becomes = pod_of(before), pod_of(after)
    assert was
    assert becomes
    step, former = becomes["initContainers"][0], was["initContainers"][0]
    assert step["args"] == ["rail-install", "uninstall", *former["args"][2:]]
    assert step["volumeMounts"] == former["volumeMounts"]
    assert becomes["volumes"] == was["volumes"]
    assert [each["name"] for each in becomes["containers"]] == ["done"]
    assert becomes["nodeSelector"] == was["nodeSelector"]
