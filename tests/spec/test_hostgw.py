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

from tests.spec.agent import running
from tests.spec.neighbour import (
    BRIDGE,
    DIRECT,
    HOSTGW,
    PODS,
    PORTMAP,
    bridge,
    direct,
    let_prove,
    main,
    next_door,
    without_what_differs,
)
from tests.spec.node import PATIENCE, Namespace, Node, wait_until
from tests.spec.runtime import Runtime, Slot

pytestmark = pytest.mark.netns

VERBS = {
    "0.3.1": ("add", "del"),
    "0.4.0": ("add", "check", "del"),
    "1.0.0": ("add", "check", "del"),
    "1.1.0": ("status", "add", "check", "gc", "del"),
}


@pytest.fixture
def peer(node: Node) -> Iterator[Namespace]:
    """Another node, next door and in flannel's state on this one."""
    with next_door(node) as other:
        yield other


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
    assert without_what_differs(result) == without_what_differs(without)
    assert result["cniVersion"] == version
    assert main(node) == flannels
    peer.ip("link", "set", "eth0", "down")
    cnitool.call("del", pods[1])
    assert direct(node) == {}


@pytest.mark.cnitool
@pytest.mark.usefixtures("peer")
def test_chained_with_an_agent_that_proves_it_changes_no_result(
    node: Node, cnitool: Cnitool, tmp_path: Path
) -> None:
    version, held = "1.0.0", tmp_path / "addresses"
    primary = bridge(held), PORTMAP
    flannels = main(node)
    pods = node.pod(), node.pod()
    cnitool.configure(version, *primary)
    without = json.loads(_whole_life(cnitool, pods[0], version))
    cnitool.configure(version, *primary, {"type": "rail-hostgw"})
    let_prove(cnitool.runtime, tmp_path / "net.d")
    with running(cnitool.runtime, tmp_path) as agent:
        wait_until(lambda: len(_addresses(held)) == 1, "a pod of the agent's own", PATIENCE)
        wait_until(lambda: _said(agent.page("/peers")) == SILENT, "a look around", PATIENCE)
        result = json.loads(_whole_life(cnitool, pods[1], version))
        served = [line["command"] for line in agent.served() if line["program"] == "rail-hostgw"]
        assert served == [verb.upper() for verb in VERBS[version]]
        assert direct(node) == {}  # where nobody answers, nothing is proven
    assert without_what_differs(result) == without_what_differs(without)
    assert main(node) == flannels
    assert _addresses(held) == []


SILENT = {"impairments": [], PODS: "no agent answers on its node"}


def _said(page: str) -> dict[str, Any]:
    document = json.loads(page)
    reasons = {peer["peer"]: peer["why"] for peer in document["peers"]}
    return {"impairments": document["impairments"], **reasons}


def _addresses(held: Path) -> list[str]:
    """Return what host-local has given away."""
    return [file.name for file in held.glob("cbr0/*") if file.name.count(".") == 3]


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
