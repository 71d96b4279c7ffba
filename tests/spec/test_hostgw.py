"""rail-hostgw behind Debian's bridge and portmap, on a node with flannel's overlay."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.spec.node import PATIENCE, Namespace, Node, run
from tests.spec.runtime import Runtime, Slot

pytestmark = pytest.mark.netns

VERBS = {
    "0.3.1": ("add", "del"),
    "0.4.0": ("add", "check", "del"),
    "1.0.0": ("add", "check", "del"),
    "1.1.0": ("status", "add", "check", "gc", "del"),
}
BRIDGE = {
    "type": "bridge", "bridge": "cni0", "isDefaultGateway": True,
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.42.0.0/24"}]]},
}  # fmt: skip
PORTMAP = {"type": "portmap", "capabilities": {"portMappings": True}}
HOSTGW = {"type": "rail-hostgw", "agentless": True, "uplink": {"wireless": True}}
PEER, PODS, MAC = "192.168.1.11", "10.42.1.0/24", "02:00:00:00:01:01"
DIRECT = {PODS: PEER}


@pytest.fixture
def peer(node: Node) -> Iterator[Namespace]:
    """Another node, next door and in flannel's state on this one."""
    other = Namespace("peer")
    try:
        node.ip("link", "add", "wlan0", "type", "veth", "peer", "name", "eth0", "netns", other.name)
        node.ip("address", "add", "192.168.1.10/24", "dev", "wlan0")
        node.ip("link", "set", "wlan0", "up")
        other.ip("address", "add", f"{PEER}/24", "dev", "eth0")
        other.ip("link", "set", "eth0", "up")
        vxlan = ("type", "vxlan", "id", "1", "dev", "wlan0", "dstport", "8472", "nolearning")
        node.ip("link", "add", "flannel.1", *vxlan)
        node.ip("address", "add", "10.42.0.0/32", "dev", "flannel.1")
        node.ip("link", "set", "flannel.1", "up")
        via = ("10.42.1.0", "dev", "flannel.1")
        node.ip("neighbour", "add", *via, "lladdr", MAC, "nud", "permanent")
        run("bridge", "-n", node.name, "fdb", "append", MAC, "dev", "flannel.1", "dst", PEER)
        node.ip("route", "add", PODS, "via", *via, "onlink")
        yield other
    finally:
        other.delete()


def direct(node: Node) -> dict[str, str]:
    """Return which pod networks go straight, and to which node."""
    shown = node.show("route", "show", "table", "all")
    return {route["dst"]: route["gateway"] for route in shown if str(route.get("table")) == "142"}


def main(node: Node) -> list[dict[str, Any]]:
    """Return what flannel has in the main table."""
    return node.show("route", "show", "table", "main", "dev", "flannel.1")


@dataclass(frozen=True, slots=True)
class Cnitool:
    """The reference runtime, with its configurations and its cache in a folder of its own."""

    program: str
    runtime: Runtime
    folder: Path

    def configure(self, version: str, *plugins: dict[str, Any], dropped_in: bool = False) -> None:
        """Write the chain, its last plugin perhaps into the network's own folder."""
        folder = self.folder / "net.d"
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "cbr0").mkdir(parents=True)
        listed = plugins[:-1] if dropped_in else plugins
        document = {"cniVersion": version, "name": "cbr0", "plugins": listed}
        (folder / "10-flannel.conflist").write_text(json.dumps(document))
        if dropped_in:
            (folder / "cbr0/50-rail-hostgw.conf").write_text(json.dumps(plugins[-1]))

    def call(self, verb: str, pod: Namespace) -> str:
        """Make a request; return what it printed."""
        cache = self.folder / "cache"
        cache.mkdir(exist_ok=True)
        script = f"mount --bind {cache} /var/lib && exec {self.program} {verb} cbr0 {pod.path}"
        environ = self.runtime.environment("none") | {
            "NETCONFPATH": str(self.folder / "net.d"), "CNI_IFNAME": "eth0",
        }  # fmt: skip
        done = subprocess.run(
            ["ip", "netns", "exec", self.runtime.node.name, "sh", "-c", script],
            env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, f"{verb}: {done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def cnitool(cnitool_program: str, plain_runtime: Runtime, tmp_path: Path) -> Cnitool:
    return Cnitool(cnitool_program, plain_runtime, tmp_path)


@pytest.mark.cnitool
@pytest.mark.parametrize(("version", "dropped_in"), [*((v, False) for v in VERBS), ("1.0.0", True)])
def test_chained_it_changes_no_result(
    node: Node, peer: Namespace, cnitool: Cnitool, version: str, *, dropped_in: bool
) -> None:
    flannels = main(node)
    pods = node.pod(), node.pod()
    cnitool.configure(version, *_primary(node, version))
    without = json.loads(_whole_life(cnitool, pods[0], version))
    assert direct(node) == {}
    cnitool.configure(version, *_primary(node, version), HOSTGW, dropped_in=dropped_in)
    result = json.loads(_whole_life(cnitool, pods[1], version))
    assert direct(node) == DIRECT
    assert _without_what_differs(result) == _without_what_differs(without)
    assert result["cniVersion"] == version
    assert main(node) == flannels
    peer.ip("link", "set", "eth0", "down")
    cnitool.call("del", pods[1])
    assert direct(node) == {}


def _primary(node: Node, version: str) -> tuple[dict[str, Any], ...]:
    """Return the plugins before ours: Debian's, or one of ours where those are too old."""
    if version != "1.1.0":
        return BRIDGE, PORTMAP
    ipam = {"type": "rail-ipam", "subnet": "10.60.0.0/16"}
    return ({"type": "rail-sriov", "device": node.device(), "ipam": ipam},)


def _whole_life(cnitool: Cnitool, pod: Namespace, version: str) -> str:
    """Make every request that a version knows; return what ADD printed."""
    told = {verb: cnitool.call(verb, pod) for verb in VERBS[version]}
    assert not any(text for verb, text in told.items() if verb != "add")
    return told["add"]


def _without_what_differs(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what is another's for each pod: names, MACs, its address."""
    interfaces = [
        {**i, "name": i["name"][:4], "mac": "", "sandbox": ""} for i in result["interfaces"]
    ]
    ips = [{**ip, "address": ""} for ip in result["ips"]]
    return {**result, "interfaces": interfaces, "ips": ips}


RESULT = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "sandbox": "/run/netns/pod", "unknown": [1.5, None]}],
    "ofAVersionToCome": {"ü": "\u2028"},
}


def test_what_it_does_not_understand_it_hands_on(
    node: Node, peer: Namespace, runtime: Runtime
) -> None:
    slot = Slot(node.pod().path, ifname="eth0")
    config = {"cniVersion": "1.1.0", "name": "cbr0", "prevResult": RESULT, **HOSTGW}
    assert runtime.call("ADD", config, slot).document == RESULT
    assert direct(node) == DIRECT
    assert runtime.call("CHECK", {**config, "strict": True}, slot).exit_code == 0
    peer.ip("link", "set", "eth0", "down")
    assert runtime.call("STATUS", config).exit_code == 0
    assert direct(node) == {}
    assert runtime.call("ADD", {**config, "prevResult": None}, slot).error[0] == 7
    assert runtime.call("ADD", {**config, "cniVersion": "0.2.0"}, slot).error[0] == 1


def test_a_pod_starts_whatever_is_wrong_with_us(
    node: Node, runtime: Runtime, tmp_path: Path
) -> None:
    slot = Slot(node.pod().path, ifname="eth0")
    config = {"cniVersion": "1.1.0", "name": "cbr0", "prevResult": RESULT, **HOSTGW}
    reply = runtime.call("ADD", config, slot)  # here is no flannel
    assert (reply.document, "no vxlan device" in reply.stderr) == (RESULT, True)
    assert "failure 1 since the boot" in reply.stderr
    code, words = runtime.call("ADD", {**config, "strict": True}, slot).error
    assert (code, "no vxlan device" in words) == (7, True)
    assert tmp_path.exists()
