"""A small cluster that is worth watching: nodes with rails and paths, an etcd, and agents."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.etcd.given import release
from tests.etcd.member import Member, free_ports
from tests.monitoring import described
from tests.netns.agent import Agent
from tests.netns.cluster import DEBIANS, LAN, Cluster, Node, by_cable, from_source
from tests.netns.namespace import PATIENCE

PFS = {"roce-a": "roce0", "roce-b": "roce1"}
"""Which rail is on which PF."""
SWITCH = "fabric"
PORT = 9753
_LAN_ADDRESS = "192.168.1.1"
_MTU = 9000
_GENERAL = {"metrics": f"0.0.0.0:{PORT}", "grace": 5}


class Fleet:
    """Nodes of one cluster, each with two PFs of four VFs.

    Args:
        folder: for everybody's files.
        size: how many nodes.
        times: of the direct paths, as in the `[hostgw]` section.
    """

    def __init__(self, folder: Path, size: int, times: Mapping[str, float]) -> None:
        self.sys = folder / "sys"
        described.describe(self.sys, list(PFS.values()))

        def programs(program: str) -> list[str]:
            return described.with_it(self.sys, *from_source(program))

        self.cluster = Cluster((by_cable,) * size, programs)
        hostgw = {"uplink": {"wireless": True}, **times}
        self.agents = [Agent(node, folder, hostgw, _GENERAL) for node in self.cluster.nodes]
        self.etcd = Member("etcd", free_ports(), folder)
        self._folder = folder
        self._release = release("3.5")

    @property
    def targets(self) -> dict[str, str]:
        """Where each node's agent tells its figures."""
        return {name(node): f"{node.address(4)}:{PORT}" for node in self.cluster.nodes}

    def start(self) -> None:
        """Make all of it, and wait until every agent answers."""
        self.cluster.start()
        lan = self.cluster.lan
        lan.ip("link", "set", "lo", "up")
        lan.ip("address", "add", f"{_LAN_ADDRESS}/24", "dev", LAN)
        self.start_etcd()
        for agent in self.agents:
            _add_rails(agent.node)
            file = agent.folder / "node.toml"
            file.write_text(self._node_file(agent.node))
            agent.begin()
        for agent in self.agents:
            agent.wait()

    def delete(self) -> None:
        """End and remove everything."""
        for agent in self.agents:
            agent.kill()
        self.etcd.kill()
        self.cluster.delete()

    def start_etcd(self) -> None:
        """Start etcd, if it does not run; it answers a moment later."""
        client, peer = f"http://{_LAN_ADDRESS}:{self.etcd.ports.client}", "http://127.0.0.1:2380"
        self.etcd.start([
            "ip", "netns", "exec", self.cluster.lan.name, self._release.program("etcd"),
            f"--data-dir={self._folder / 'etcd'}", "--unsafe-no-fsync",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ])  # fmt: skip

    def pull(self, node: Node, pf: str) -> None:
        """Take a PF's cable out."""
        node.host.ip("link", "set", f"{pf}-sw", "down")

    def plug(self, node: Node, pf: str) -> None:
        """Put it back."""
        node.host.ip("link", "set", f"{pf}-sw", "up")

    def set_mtu(self, node: Node, pf: str, mtu: int) -> None:
        """Change a PF's MTU."""
        node.host.ip("link", "set", pf, "mtu", str(mtu))

    def _node_file(self, node: Node) -> str:
        lines = [f'node = "{name(node)}"', f'nodeId = "{name(node)}"', "[etcd]"]
        lines += [f'endpoints = ["http://{_LAN_ADDRESS}:{self.etcd.ports.client}"]', "timeout = 1"]
        lines += ["[fabrics.backend]", "blockSize = 4"]
        for number, rail in enumerate(PFS):
            lines += [f"[fabrics.backend.rails.{rail}]", f'subnet = "10.{60 + number}.0.0/25"']
        lines += ["[fabrics.home]", 'registry = "local"']
        lines += ["[fabrics.home.rails.home]", 'subnet = "10.70.0.0/26"']
        return "\n".join(lines)


def name(node: Node) -> str:
    """Return what a node is called."""
    return f"gpu-{node.number}"


def request(
    agent: Agent, command: str, container: str, config: Mapping[str, Any], **environ: str
) -> subprocess.Popen[bytes]:
    """Start a request on an agent's node; a pod's interface is called like its network.

    Args:
        agent: of which node.
        command: the verb.
        container: the id.
        config: the network configuration but for what all have.
        environ: further variables.
    """
    pod = f"/run/netns/{agent.node.pod.name}"
    process = subprocess.Popen(
        agent.node.command(str(config["type"])),
        env={
            **agent.environ, "CNI_COMMAND": command, "CNI_CONTAINERID": container,
            "CNI_NETNS": pod, "CNI_IFNAME": container, "CNI_PATH": DEBIANS, **environ,
        },
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin
    process.stdin.write(json.dumps({"cniVersion": "1.1.0", **config}).encode())
    process.stdin.close()
    process.stdin = None
    return process


def on_rail(rail: str, vf: int) -> dict[str, Any]:
    """Return the configuration that takes a VF of a rail."""
    pf = list(PFS).index(rail)
    ipam = {"type": "rail-ipam", "fabric": "backend", "rail": rail}
    return {
        "name": rail, "type": "rail-sriov", "deviceID": described.pci(pf, vf), "ipam": ipam,
    }  # fmt: skip


def at_home() -> dict[str, Any]:
    """Return the configuration of a bridge plugin that wants an address of the node's own."""
    ipam = {"type": "rail-ipam", "fabric": "home", "rail": "home"}
    return {"name": "home", "type": "rail-ipam", "ipam": ipam}


def finished(*processes: subprocess.Popen[bytes]) -> list[tuple[int, str]]:
    """Wait for requests; return exit code and output of each."""
    said = [process.communicate(timeout=PATIENCE)[0].decode() for process in processes]
    return [(p.returncode, text) for p, text in zip(processes, said, strict=True)]


def _add_rails(node: Node) -> None:
    """Make PFs and VFs out of veths on a switch."""
    node.host.ip("link", "add", SWITCH, "type", "bridge")
    node.host.ip("link", "set", SWITCH, "mtu", str(_MTU), "up")
    for pf in PFS.values():
        for device in (pf, *(f"{pf}v{index}" for index in range(described.VFS))):
            peer = ("peer", "name", f"{device}-sw", "mtu", str(_MTU))
            node.host.ip("link", "add", device, "mtu", str(_MTU), "type", "veth", *peer)
            node.host.ip("link", "set", f"{device}-sw", "master", SWITCH, "up")
        node.host.ip("link", "set", pf, "up")
