"""The image and the DaemonSet on a node: containerd runs what the manifests say, as they say it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cni import __version__, programs
from deploy.image.recipe import Built
from deploy.image.root import NONROOT
from install.conflist.folder import COPY
from tests.spec import cri
from tests.spec.host import CNI_BIN, CNI_CONF, Host
from tests.spec.kubelet import RunningPod
from tests.spec.manifest import Manifests
from tests.spec.neighbour import PORTMAP, bridge, direct, next_door
from tests.spec.node import PATIENCE, Node, wait_until
from tests.spec.podspec import Pod
from tests.spec.runtime import ROOT, rail
from tests.unit.deploy.rendering import rendered_at

pytestmark = [
    pytest.mark.netns,
    pytest.mark.containerd,
    pytest.mark.usefixtures("containerd"),
]

STATE = Path("/var/lib/railcni")
PLACES = ("/opt", "/etc", "/var/lib")
STATUS = ("rail-install", "status", "--root", "/host")
VERSION = (str(CNI_BIN / "railctl"), "version")
"""The node's own copy: where the agent is, there is no image any more."""
K3S = Path("/var/lib/rancher/k3s")
K3S_BIN, K3S_CONF = K3S / "data/cni", K3S / "agent/etc/cni/net.d"
K3S_SETTINGS = K3S / "agent/etc/containerd/config.toml"
K3S_SAYS = f"""version = 2
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{K3S_BIN}"
conf_dir = "{K3S_CONF}"
"""
NOTHING: Mapping[str, Mapping[str, str]] = {}


def test_a_deployment_comes_and_goes(node: Node, image: Built, tmp_path: Path) -> None:
    device = node.device()
    with (
        Host(node, tmp_path / "host", [image.archive]) as host,
        cri.Runtime(host.socket) as runtime,
    ):
        assert image.digest in host.ctr("images", "list")
        before = files_of(host)
        pod = pod_of(ROOT / "deploy/base")
        with RunningPod(runtime, host, node, pod, tmp_path / "pod") as running:
            assert len(running.await_probes()) == 5
            assert host.files(CNI_BIN) > {*programs.PLUGINS, "rail-agent", "railctl"}
            assert host.file(STATE / "agent.sock").is_socket()
            host.write(CNI_CONF / "10-rails.conflist", network("roce-a", rail(device)))
            with attached(host, runtime, "roce-a") as result:
                assert result["ips"][0]["address"].startswith("10.60.")
                assert device not in node.links()
                assert '"ADD roce-a' in running.log("agent")
            assert device in node.links()
            host.file(CNI_CONF / "10-rails.conflist").unlink()
            for container, command in (("installer", STATUS), ("agent", VERSION)):
                code, said = running.execute(container, *command)
                assert (code, __version__ in said) == (0, True), said
            settings = host.file("/etc/railcni/agent.toml")
            running.change("config", **{"agent.toml": f"{settings.read_text()}grace = 77\n"})
            wait_until(lambda: "grace = 77" in settings.read_text(), "the change", PATIENCE)
            assert [running.stop(name) for name in ("installer", "agent")] == [0, 0]
        leaving = pod_of(without(ROOT / "deploy/base", tmp_path))
        with RunningPod(runtime, host, node, leaving, tmp_path / "leaving"):
            assert files_of(host) == before
            assert "railcni" not in host.run("ps", "-e", "-o", "args")


def test_on_k3s_it_is_chained_behind_the_primary(node: Node, image: Built, tmp_path: Path) -> None:
    """K3s itself copies the list that is written for it, when it starts; here the test does."""
    secrets = {"railcni-hostgw": {"hostgw.key": "5f" * 32}}
    places = {"cni_bin": K3S_BIN, "cni_conf": K3S_CONF}
    with (
        next_door(node),
        Host(node, tmp_path / "host", [image.archive], **places) as host,
        cri.Runtime(host.socket) as runtime,
    ):
        flannels, copied = (K3S_CONF / f"10-flannel.conflist{end}" for end in ("", COPY))
        primary = network("cbr0", bridge(tmp_path / "held"), PORTMAP)
        host.write(flannels, primary)
        host.write(K3S_SETTINGS, K3S_SAYS)
        before = files_of(host)
        pod = pod_of(ROOT / "deploy/overlays/k3s-wifi", secrets)
        with RunningPod(runtime, host, node, pod, tmp_path / "pod") as running:
            running.await_probes()
            host.write(flannels, host.file(copied).read_text())
            with attached(host, runtime, "cbr0") as result:
                assert [ip["address"][:8] for ip in result["ips"]] == ["10.42.0."]
                assert '"ADD cbr0' in running.log("agent")
        leaving = pod_of(ROOT / "deploy/uninstall/k3s-wifi", secrets)
        with RunningPod(runtime, host, node, leaving, tmp_path / "leaving"):
            assert files_of(host) == before | {copied}  # K3s would not start without it
            for file in (flannels, copied):
                assert json.loads(host.file(file).read_text()) == json.loads(primary)
            assert (node.rules(), direct(node)) == ([], {})


def test_a_jobs_init_container_needs_no_rights(node: Node, image: Built, tmp_path: Path) -> None:
    """The sample's, without what trains, and without RDMA: there is none on this node."""
    status = [{"name": "ai-train/roce-a", "interface": "net1", "ips": ["10.60.0.20"]}]
    told = json.dumps(json.dumps(status))
    documents = [one for one in rendered_at(ROOT / "deploy/samples") if one["kind"] == "Pod"]
    documents[0]["spec"]["containers"] = []
    annotations = {"metadata.annotations": f"k8s.v1.cni.cncf.io/network-status={told}"}
    pod = Manifests(documents, annotations, {}).pod_of("Pod", "rails")
    (first,) = pod.first
    assert first.security.user == NONROOT
    pod = replace(pod, first=(replace(first, args=(*first.args, "--sockets")),), host_network=True)
    with (
        Host(node, tmp_path / "host", [image.archive]) as host,
        cri.Runtime(host.socket) as runtime,
        RunningPod(runtime, host, node, pod, tmp_path / "pod") as running,
    ):
        written = running.volume("rails") / "nccl.env"
        assert "export NCCL_SOCKET_IFNAME==net1\n" in written.read_text()
        assert (written.stat().st_uid, written.stat().st_gid) == (NONROOT, NONROOT)


def files_of(host: Host) -> set[Path]:
    """Return a node's files but for its state, which stays: what it has given away, and locks."""
    state = tuple(str(STATE / part) for part in ("ipam/", "locks/", "hostgw.json"))
    found = {top / name for top in map(Path, PLACES) for name in host.files(top)}
    return {file for file in found if not str(file).startswith(state)}


def network(name: str, *plugins: Mapping[str, Any]) -> str:
    """Return a list of plugins as a file of containerd's."""
    return json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": plugins})


@contextmanager
def attached(host: Host, runtime: cri.Runtime, network: str) -> Iterator[dict[str, Any]]:
    """Let a pod run in containerd's network; yield what the plugins have made of it."""
    pod = Pod("job", "ai-train", host_network=False, host_pid=False, grace=1, group=None,
              first=(), containers=(), volumes={})  # fmt: skip
    sandbox = runtime.run_sandbox(pod, Path("/var/log"), f"/{host.cgroup}/job")
    try:
        cached = host.file(f"/var/lib/cni/results/{network}-{sandbox.id}-eth0")
        yield json.loads(cached.read_text())["result"]
    finally:
        runtime.remove_sandbox(sandbox)


def pod_of(kustomization: Path, secrets: Mapping[str, Mapping[str, str]] = NOTHING) -> Pod:
    """Return what a deployment puts on every node."""
    more = {("Secret", name): content for name, content in secrets.items()}
    return Manifests(rendered_at(kustomization), {}, more).pod_of("DaemonSet", "rail-agent")


def without(deployment: Path, folder: Path) -> Path:
    """Write what takes a deployment away again, as the folders of deploy/uninstall do it."""
    component = os.path.relpath(ROOT / "deploy/components/uninstall", folder)
    content = {"resources": [os.path.relpath(deployment, folder)], "components": [component]}
    (folder / "kustomization.yaml").write_text(json.dumps(content))
    return folder
