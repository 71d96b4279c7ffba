"""The frozen `railctl doctor` on a node of our own: its agent, its etcd, and its pods' rails.

What it says of PFs and VFs is tested where there are some, in the laboratory.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from netns import NetNS

from tests.etcd.cluster import PREFIX, USER, Cluster, Shape
from tests.etcd.given import release
from tests.spec.agent import running
from tests.spec.node import PATIENCE, Namespace, Node, port_of, wait_until
from tests.spec.runtime import Runtime, Slot, read_reply

pytestmark = [pytest.mark.netns, pytest.mark.etcd]

Findings = dict[str, list[dict[str, Any]]]


class Doctor:
    """railctl doctor, called by a person on the node."""

    def __init__(self, runtime: Runtime, bundle: Path) -> None:
        self._runtime = runtime
        self._program = bundle / "railctl"

    def run(self, *options: str, expect: int | None = None) -> subprocess.CompletedProcess[str]:
        """Run it; check its exit code, where one is expected."""
        done = subprocess.run(
            ["ip", "netns", "exec", self._runtime.node.name, self._program, "doctor", *options],
            env=self._runtime.environment("none"),
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert expect is None or done.returncode == expect, done.stdout + done.stderr
        return done

    def findings(self, *options: str, expect: int | None = None) -> Findings:
        """Return what it finds, by the name of the check."""
        found: Findings = {}
        for one in json.loads(self.run(*options, "--output", "json", expect=expect).stdout):
            found.setdefault(one["check"], []).append(one)
        return found


@pytest.fixture
def doctor(plain_runtime: Runtime, bundle: Path) -> Doctor:
    return Doctor(plain_runtime, bundle)


@contextmanager
def etcd_on(node: Node, folder: Path) -> Iterator[Cluster]:
    """Run an etcd with TLS and users on the node."""
    shape = Shape(tls=True, auth=True)
    with NetNS(nspath=node.path), Cluster(release("3.5"), folder, shape) as made:
        yield made


def node_file(cluster: Cluster) -> str:
    settings = cluster.settings()
    cluster.password_file.chmod(0o600)
    return f"""
node = "gpu-1"
nodeId = "rack7-1"
[etcd]
endpoints = {json.dumps(settings.endpoints)}
prefix = "{PREFIX}"
ca = "{settings.ca}"
certificate = "{settings.certificate}"
key = "{settings.key}"
userFile = "{settings.user_file}"
passwordFile = "{settings.password_file}"
[fabrics.backend.rails]
roce-a.subnet = "10.60.0.0/16"
roce-b.subnet = "10.61.0.0/16"
"""


def write(runtime: Runtime, content: str) -> Path:
    file = Path(runtime.environ["RAILCNI_CONFIG_DIR"]) / "node.toml"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(content, encoding="utf-8")
    file.chmod(0o600)
    return file


def attach(runtime: Runtime, pod: Namespace, name: str) -> list[str]:
    """Give a pod both rails; return the switch's ends of its devices."""
    ports = []
    for rail, ifname in (("roce-a", "net1"), ("roce-b", "net2")):
        device = runtime.node.device()
        config = {
            "cniVersion": "1.1.0", "name": rail, "type": "rail-sriov", "device": device,
            "ipam": {"type": "rail-ipam", "fabric": "backend", "rail": rail},
        }  # fmt: skip
        arguments = f"IgnoreUnknown=1;K8S_POD_NAMESPACE=train;K8S_POD_NAME={name}"
        started = runtime.start("ADD", config, Slot(pod.path, name, ifname), CNI_ARGS=arguments)
        assert read_reply(started, "ADD").exit_code == 0
        ports.append(port_of(device))
    return ports


def said(findings: Findings, check: str) -> list[tuple[str, str]]:
    return [(one["severity"], one["what"]) for one in findings.get(check, [])]


def test_a_node_with_its_agent_and_its_etcd(
    node: Node, plain_runtime: Runtime, doctor: Doctor, tmp_path: Path
) -> None:
    with etcd_on(node, tmp_path / "etcd") as cluster:
        write(plain_runtime, node_file(cluster))
        attach(plain_runtime, node.pod(), "worker-0")  # from now on the node has a journal
        with running(plain_runtime, tmp_path):
            _, narrow = attach(plain_runtime, node.pod(), "worker-1")
            long_packets(node, doctor, narrow)
            the_registry(doctor, cluster)


def long_packets(node: Node, doctor: Doctor, narrow: str) -> None:
    """They come through on both rails, until a port of the switch is smaller."""
    asked = "--pod", "worker-0", "--mtu", "train/worker-1"
    through = said(doctor.findings(*asked, expect=0), "rail-mtu")
    assert [(level, "8972 bytes come through whole" in what) for level, what in through] == [
        ("ok", True), ("ok", True),
    ]  # fmt: skip
    node.ip("link", "set", narrow, "mtu", "4000")
    worst, other = said(doctor.findings(*asked, expect=1), "rail-mtu")
    assert other[0] == "ok"
    assert worst[0] == "error"
    assert worst[1].startswith("roce-b (net2): 10.61.")
    assert worst[1].endswith("8972 bytes do not come through; the path's MTU is 4000")


def the_registry(doctor: Doctor, cluster: Cluster) -> None:
    """What the node finds of it, what it has told there, and what it says without rights."""
    findings = doctor.findings(expect=1)  # there is no SR-IOV, and the node file wants rails
    assert [level for level, _ in said(findings, "sriov")] == ["error"]
    assert [level for level, _ in said(findings, "etcd")] == ["ok"]
    assert said(findings, "etcd-rights") == [("ok", f"this node may read and write {PREFIX}")]
    assert len(findings["certificate"]) == 3
    for check in ("node-name", "heartbeat", "agent"):
        assert [level for level, _ in said(findings, check)] == ["ok"], findings[check]

    wait_until(lambda: "sriov" in doctor.findings("--all"), "the agent's report")
    (told,) = doctor.findings("--all", expect=1)["sriov"]
    assert (told["node"], told["what"]) == ("gpu-1", findings["sriov"][0]["what"])

    cluster.etcdctl("role", "revoke-permission", USER, PREFIX, "--prefix")
    cluster.etcdctl("role", "grant-permission", USER, "read", PREFIX, "--prefix")
    (refused,) = doctor.findings(expect=1)["etcd-rights"]
    assert refused["severity"] == "error"
    assert refused["what"].startswith(f"{PREFIX} cannot be written: etcd does not permit")
    assert any("grant-permission" in command for command in refused["mend"])


def test_what_a_person_reads(doctor: Doctor) -> None:
    told = doctor.run(expect=0).stdout
    assert "info     this node has no rails, and its node file declares none" in told
    assert "warning  no rail-agent answers on this node" in told
    doctor.run("--strict", expect=1)


def test_options_that_cannot_be(doctor: Doctor) -> None:
    for options, words in (
        (("--cni-bin", "bin"), "expected an absolute path"),
        (("--all", "--mtu", "10.60.0.1"), "either --all or --mtu"),
        (("--pod", "worker-0"), "--pod without --mtu PEER"),
    ):
        assert words in doctor.run(*options, expect=2).stderr
