"""The image and the DaemonSet on a node: containerd runs what the manifests say, as they say it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from cni import __version__, programs
from deploy.image.recipe import Built
from tests.spec import cri
from tests.spec.host import CNI_BIN, CNI_CONF, Host
from tests.spec.kubelet import RunningPod
from tests.spec.manifest import Manifests, rendered
from tests.spec.node import Node, wait_until
from tests.spec.podspec import Pod
from tests.spec.runtime import ROOT, rail

pytestmark = [pytest.mark.netns, pytest.mark.containerd]

STATE, CONFIG = Path("/var/lib/railcni"), Path("/etc/railcni")
DAEMONSET = "DaemonSet", "rail-agent"


@pytest.fixture
def host(node: Node, image: Built, containerd: None, tmp_path: Path) -> Iterator[Host]:
    with Host(node, tmp_path / "host", [image.archive]) as made:
        yield made


@pytest.fixture
def runtime(host: Host) -> Iterator[cri.Runtime]:
    with cri.Runtime(host.socket) as asked:
        yield asked


def test_it_serves_the_node_and_leaves_it_as_it_was(
    host: Host, runtime: cri.Runtime, node: Node, image: Built, tmp_path: Path
) -> None:
    before = {place: host.tree(place) for place in ("/opt", "/etc", "/var/lib")}
    device = node.device()
    pod = Manifests(rendered(ROOT / "deploy/base"), {}, {}).pod_of(*DAEMONSET)
    assert image.digest in host.ctr("images", "list")
    with RunningPod(runtime, host, node, pod, tmp_path / "pod") as running:
        assert len(running.await_probes()) == 5
        assert {*map(Path, host.tree(CNI_BIN))} > {Path(name) for name in programs.PLUGINS}
        assert host.file(STATE / "agent.sock").is_socket()
        with attached(host, runtime, device, tmp_path) as address:
            assert address.startswith("10.60.")
            assert device not in node.links()
            assert '"ADD roce-a' in running.log("agent")
        assert device in node.links()
        assert host.tree(STATE / "attachments") == []
        code, said = running.execute("installer", "rail-install", "status", "--root", "/host")
        assert code == 0, said
        assert __version__ in said
    uninstall(runtime, host, node, pod, tmp_path / "leaving")
    (host.file(CNI_CONF) / "10-rails.conflist").unlink()
    left = {place: sorted({*host.tree(place)} - {*before[place]}) for place in before}
    assert left == {}


@contextmanager
def attached(
    host: Host, runtime: cri.Runtime, device: str, tmp_path: Path
) -> Iterator[str]:
    """Let a pod have a rail as its network; yield its address."""
    conflist = {"cniVersion": "1.0.0", "name": "roce-a", "plugins": [rail(device)]}
    (host.file(CNI_CONF) / "10-rails.conflist").write_text(json.dumps(conflist))
    pod = Pod("job", "ai-train", host_network=False, host_pid=False, grace=1, first=(),
              containers=(), volumes={})  # fmt: skip
    sandbox = runtime.run_sandbox(pod, tmp_path, f"/{host.cgroup}/job")
    try:
        cached = host.file(f"/var/lib/cni/results/roce-a-{sandbox.id}-eth0")
        yield json.loads(cached.read_text())["result"]["ips"][0]["address"]
    finally:
        runtime.remove_sandbox(sandbox)


def uninstall(runtime: cri.Runtime, host: Host, node: Node, pod: Pod, folder: Path) -> None:
    """Run `rail-install uninstall` with what the installer's container has."""
    (container,) = (one for one in pod.first if one.name == "install")
    once = container.args.index("once")
    args = tuple("uninstall" if index == once else word for index, word in enumerate(container.args))
    leaving = replace(pod, first=(replace(container, args=args),), containers=())
    with RunningPod(runtime, host, node, leaving, folder):
        pass


__all__ = ["wait_until"]
