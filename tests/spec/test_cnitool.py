"""The CNI project's own runtime, cnitool, drives the frozen programs through libcni."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.spec.node import PATIENCE, Namespace, Node
from tests.spec.runtime import NOTHING, Runtime

pytestmark = [pytest.mark.netns, pytest.mark.cnitool]

NETWORK = "roce-a"
VERBS = {
    "0.3.1": ("add", "del"),
    "0.4.0": ("add", "check", "del"),
    "1.0.0": ("add", "check", "del"),
    "1.1.0": ("status", "add", "check", "gc", "del"),
}
IPAM = {
    "type": "rail-ipam",
    "subnet": ["10.60.0.0/16", "fd00:60::/64"],
    "routes": [{"dst": "10.60.128.0/17"}],
}


@dataclass(frozen=True, slots=True)
class Cnitool:
    """cnitool on a node, with its network configurations and its cache in a folder of their own."""

    program: str
    runtime: Runtime
    folder: Path

    def configure(self, version: str, **keys: Any) -> None:
        """Write the list of plugins that is the network."""
        plugin = {"type": "rail-sriov", "rail": NETWORK, "ipam": IPAM, **keys}
        document = {"cniVersion": version, "name": NETWORK, "plugins": [plugin]}
        configurations = self.folder / "net.d"
        configurations.mkdir(exist_ok=True)
        (configurations / "roce-a.conflist").write_text(json.dumps(document))

    def call(self, verb: str, pod: Namespace) -> str:
        """Make a request; return what it printed."""
        done = self.run(verb, pod)
        assert done.returncode == 0, f"{verb}: {done.stderr}"
        return done.stdout

    def run(self, verb: str, pod: Namespace) -> subprocess.CompletedProcess[str]:
        """Make a request, with a /var/lib of its own: cnitool's cache is there, come what may."""
        cache = self.folder / "cache"
        cache.mkdir(exist_ok=True)
        script = f"mount --bind {cache} /var/lib && exec {self.program} {verb} {NETWORK} {pod.path}"
        environ = {
            "PATH": os.environ["PATH"],
            "CNI_PATH": ":".join(map(str, self.runtime.path)),
            "CNI_IFNAME": "net1",
            "NETCONFPATH": str(self.folder / "net.d"),
            "RAILCNI_STATE_DIR": str(self.runtime.state),
        }
        return subprocess.run(
            ["ip", "netns", "exec", self.runtime.node.name, "sh", "-c", script],
            env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip


@pytest.fixture
def cnitool(cnitool_program: str, runtime: Runtime, tmp_path: Path) -> Cnitool:
    return Cnitool(cnitool_program, runtime, tmp_path)


@pytest.mark.parametrize("version", VERBS)
def test_every_verb_of_a_version_works(
    node: Node, runtime: Runtime, cnitool: Cnitool, version: str
) -> None:
    device, pod = node.device(), node.pod()
    before = node.link(device)
    cnitool.configure(version, device=device)
    verbs = VERBS[version]
    for verb in verbs[: verbs.index("add")]:
        assert cnitool.call(verb, pod) == ""
    result = json.loads(cnitool.call("add", pod))
    assert result["cniVersion"] == version
    assert [ip["address"] for ip in result["ips"]] == pod.addresses("net1")
    assert "10.60.128.0/17" in pod.destinations("net1")
    for verb in verbs[verbs.index("add") + 1 :]:
        assert cnitool.call(verb, pod) == ""
    assert cnitool.call("del", pod) == ""
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_a_damaged_attachment_fails_the_check(
    node: Node, runtime: Runtime, cnitool: Cnitool
) -> None:
    pod = node.pod()
    cnitool.configure("1.1.0", device=node.device())
    cnitool.call("add", pod)
    pod.ip("link", "set", "net1", "mtu", "1500")
    refused = cnitool.run("check", pod)
    assert (refused.returncode, "net1 has MTU 1500, expected 9000" in refused.stderr) == (1, True)
    cnitool.call("del", pod)
    assert runtime.leftovers(pod) == NOTHING


def test_gc_frees_what_the_runtime_has_forgotten(
    node: Node, runtime: Runtime, cnitool: Cnitool
) -> None:
    device, pod = node.device(), node.pod()
    before = node.link(device)
    cnitool.configure("1.1.0", device=device)
    cnitool.call("add", pod)
    shutil.rmtree(cnitool.folder / "cache/cni/results")
    cnitool.call("gc", pod)
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_a_runtime_hears_why_there_is_no_rail(
    node: Node, runtime: Runtime, cnitool: Cnitool
) -> None:
    pod = node.pod()
    cnitool.configure("1.1.0", device="nowhere")
    for verb in ("status", "add"):
        refused = cnitool.run(verb, pod)
        assert refused.returncode == 1
        assert "device is 'nowhere': the host has no interface of that name" in refused.stderr
    assert runtime.leftovers(pod) == NOTHING
