"""Nodes as network namespaces on one LAN, each with a pod and flannel's vxlan devices."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LAN = "lan"
"""The LAN's bridge."""
UPLINK, BRIDGE = "eth0", "cni0"
POD_MTU = 1450
OVERLAYS = {4: "flannel.1", 6: "flannel-v6.1"}
DIRECT_TABLE = 142
_PATIENCE = 60
_HOSTS = {4: "192.168.1.1{}", 6: "fd00:1::1{}"}
_PODS = {4: "10.42.{}", 6: "fd00:42:0:{}:"}
_NETWORK_SIZES = {4: 24, 6: 64}
_MTUS = {4: 1450, 6: 1430}
"""Of an uplink's 1500, what an outer IPv4 or IPv6 header leaves."""

_numbers = itertools.count()

Programs = Callable[[str], Sequence[str]]


def from_source(program: str) -> list[str]:
    """Return what executes a program as it is in the checkout."""
    return [sys.executable, "-m", "cni", program]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace of ours."""

    name: str

    def run(self, *command: str) -> str:
        """Run a command in it; return what it printed."""
        return run("ip", "netns", "exec", self.name, *command)

    def ip(self, *words: str) -> str:
        """Call iproute2 there."""
        return run("ip", "-netns", self.name, *words)

    @contextmanager
    def running(self, *command: str) -> Iterator[subprocess.Popen[str]]:
        """Let a command run in it, whose output is read later."""
        with subprocess.Popen(
            ["ip", "netns", "exec", self.name, *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()


class Node:
    """A node of a K3s cluster, as far as packets can tell.

    Args:
        number: from 1 on, in its addresses.
        cluster: the beginning of its namespaces' names.
        programs: return what executes one of ours there, by its name.
    """

    def __init__(self, number: int, cluster: str, programs: Programs) -> None:
        self.number = number
        self._programs = programs
        self.host = Namespace(f"{cluster}-node{number}")
        self.pod = Namespace(f"{cluster}-pod{number}")

    def address(self, family: int) -> str:
        """Return the node's address on the LAN."""
        return _HOSTS[family].format(self.number)

    def pod_address(self, family: int) -> str:
        """Return the pod's address."""
        return self._of_pods(family, 2)

    def pod_network(self, family: int) -> str:
        """Return what flannel has leased to the node."""
        return f"{self._of_pods(family, 0)}/{_NETWORK_SIZES[family]}"

    def start(self, lan: Namespace, join: Joining) -> None:
        """Be on the LAN, and have a pod behind a bridge, as flannel's delegate makes it."""
        for namespace in (self.host, self.pod):
            run("ip", "netns", "add", namespace.name)
            namespace.ip("link", "set", "lo", "up")
        join(lan, self)
        self.host.ip("link", "add", BRIDGE, "mtu", str(POD_MTU), "type", "bridge")
        self.host.ip("link", "set", BRIDGE, "up")
        peer = ("peer", "name", "eth0", "netns", self.pod.name)
        self.host.ip("link", "add", "veth0", "mtu", str(POD_MTU), "type", "veth", *peer)
        self.host.ip("link", "set", "veth0", "master", BRIDGE, "up")
        self.pod.ip("link", "set", "eth0", "mtu", str(POD_MTU), "up")
        for family in OVERLAYS:
            size = _NETWORK_SIZES[family]
            self._give(self.host, f"{self.address(family)}/{size}", UPLINK)
            self._give(self.host, f"{self._of_pods(family, 1)}/{size}", BRIDGE)
            self._give(self.pod, f"{self.pod_address(family)}/{size}", "eth0")
            default = ("default", "via", self._of_pods(family, 1))
            self.pod.ip(f"-{family}", "route", "add", *default)
        self.sysctl("ipv4/ip_forward", "1")
        self.sysctl("ipv6/conf/all/forwarding", "1")

    def start_flannel(self, nodes: list[Node]) -> None:
        """Write what flannel's vxlan backend writes (pkg/backend/vxlan), of both families."""
        for family, device in OVERLAYS.items():
            vxlan = ("id", "1", "dev", UPLINK, "local", self.address(family), "dstport", "8472")
            self.host.ip("link", "add", device, "type", "vxlan", *vxlan, "nolearning")
            self.host.ip(
                "link", "set", device, "address", self._mac(family), "mtu", str(_MTUS[family])
            )
            self.host.ip("link", "set", device, "addrgenmode", "none", "up")
            self._give(
                self.host, f"{self._of_pods(family, 0)}/{32 if family == 4 else 128}", device
            )
            for peer in (node for node in nodes if node is not self):
                gateway = peer._of_pods(family, 0)
                entry = (gateway, "lladdr", peer._mac(family), "dev", device, "nud", "permanent")
                self.host.ip("neighbour", "add", *entry)
                lead = ("dev", device, "dst", peer.address(family))
                run("bridge", "-n", self.host.name, "fdb", "append", peer._mac(family), *lead)
                via = ("via", gateway, "dev", device, "onlink")
                self.host.ip("route", "add", peer.pod_network(family), *via)

    def call(self, command: str, state: Path, **keys: Any) -> dict[str, Any]:
        """Let the runtime of this node call rail-hostgw; return its answer."""
        config = {
            "cniVersion": "1.1.0", "name": "cbr0", "type": "rail-hostgw", "agentless": True,
            "prevResult": {"cniVersion": "1.1.0", "ips": [], "node": self.number}, **keys,
        }  # fmt: skip
        environ = {
            "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "CNI_COMMAND": command,
            "CNI_CONTAINERID": f"c{next(_numbers)}", "CNI_NETNS": f"/run/netns/{self.pod.name}",
            "CNI_IFNAME": "eth0", "CNI_PATH": "/opt/cni/bin",
            "RAILCNI_STATE_DIR": str(state / f"node{self.number}"),
        }  # fmt: skip
        done = subprocess.run(
            self.command("rail-hostgw"),
            input=json.dumps(config), env=environ, capture_output=True, text=True, check=False,
            timeout=_PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        answer: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return answer

    def command(self, program: str, *words: str) -> list[str]:
        """Return what executes one of our programs on the node."""
        return ["ip", "netns", "exec", self.host.name, *self._programs(program), *words]

    def direct(self) -> dict[str, str]:
        """Return which pod networks leave by the uplink, and to which node."""
        return {
            route["dst"]: route["gateway"]
            for family in OVERLAYS
            for route in self._routes(family, str(DIRECT_TABLE))
        }

    def main(self) -> list[dict[str, Any]]:
        """Return the main table."""
        return [route for family in OVERLAYS for route in self._routes(family, "main")]

    def encapsulated(self) -> dict[str, int]:
        """Return how many packets the overlay's devices have sent and received."""
        counted = {"sent": 0, "received": 0}
        for device in OVERLAYS.values():
            (shown,) = json.loads(self.host.ip("-json", "-statistics", "link", "show", device))
            counted["sent"] += shown["stats64"]["tx"]["packets"]
            counted["received"] += shown["stats64"]["rx"]["packets"]
        return counted

    def sysctl(self, key: str, value: str) -> None:
        """Write a value below /proc/sys/net."""
        self.host.run("sh", "-c", f"echo {value} >/proc/sys/net/{key}")

    def read_sysctl(self, key: str) -> str:
        """Read one."""
        return self.host.run("cat", f"/proc/sys/net/{key}").strip()

    def _routes(self, family: int, table: str) -> list[dict[str, Any]]:
        try:
            shown = self.host.ip("-json", f"-{family}", "route", "show", "table", table)
        except RuntimeError:  # there is no such table yet
            return []
        listed: list[dict[str, Any]] = json.loads(shown or "[]")
        return listed

    def _of_pods(self, family: int, host: int) -> str:
        prefix = _PODS[family].format(self.number)
        return f"{prefix}.{host}" if family == 4 else f"{prefix}:{host or ''}"

    def _mac(self, family: int) -> str:
        return f"02:00:00:00:0{family}:0{self.number}"

    def _give(self, namespace: Namespace, address: str, device: str) -> None:
        nodad = ("nodad",) if ":" in address else ()
        namespace.ip("address", "add", address, "dev", device, *nodad)


Joining = Callable[[Namespace, Node], None]
"""Brings a node onto the LAN: its uplink is there, and up."""


def by_cable(lan: Namespace, node: Node) -> None:
    """Plug a node into the LAN's bridge."""
    port = f"port{node.number}"
    peer = ("peer", "name", UPLINK, "netns", node.host.name)
    lan.ip("link", "add", port, "master", LAN, "type", "veth", *peer)
    lan.ip("link", "set", port, "up")
    node.host.ip("link", "set", UPLINK, "up")


class Cluster:
    """Nodes on one LAN.

    Args:
        joinings: how each of them gets there.
        programs: return what executes one of our programs, by its name.
    """

    def __init__(
        self, joinings: Sequence[Joining] = (by_cable,) * 3, programs: Programs = from_source
    ) -> None:
        self.name = f"hgw-{os.getpid()}-{next(_numbers)}"
        self.lan = Namespace(f"{self.name}-lan")
        self.nodes = [Node(n, self.name, programs) for n, _ in enumerate(joinings, start=1)]
        self._joinings = joinings

    def start(self) -> None:
        """Make all of it."""
        self.start_lan()
        self.start_nodes()

    def start_lan(self) -> None:
        """Make a LAN with nobody on it."""
        run("ip", "netns", "add", self.lan.name)
        self.lan.ip("link", "add", LAN, "type", "bridge", "mcast_snooping", "0")
        self.lan.ip("link", "set", LAN, "up")

    def start_nodes(self) -> None:
        """Make nodes on it whose pods reach each other over VXLAN."""
        for node, join in zip(self.nodes, self._joinings, strict=True):
            node.start(self.lan, join)
        for node in self.nodes:
            node.start_flannel(self.nodes)
        for one, other in itertools.permutations(self.nodes, 2):
            for family in OVERLAYS:
                self._wait_for(one, other, family)

    def _wait_for(self, one: Node, other: Node, family: int) -> None:
        """Wait until a pod reaches another: IPv6 needs a moment on links that have just come up."""
        ping = ("ping", "-n", "-c", "1", "-W", "0.2", other.pod_address(family))
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                one.pod.run(*ping)
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
            else:
                return

    def delete(self) -> None:
        """Remove all of it."""
        made = [self.lan, *(space for node in self.nodes for space in (node.host, node.pod))]
        for namespace in made:
            subprocess.run(["ip", "netns", "delete", namespace.name], check=False)


def run(*command: str) -> str:
    """Run a command; return what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
