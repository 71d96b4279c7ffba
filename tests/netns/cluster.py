"""Nodes as network namespaces on one bridge, each with a pod and flannel's vxlan devices."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.netns.flannel import OVERLAYS, UPLINK, Flannel
from tests.netns.namespace import PATIENCE, Namespace, run

ROOT = Path(__file__).parents[2]
DEBIANS = "/usr/lib/cni"
"""Where Debian's containernetworking-plugins are."""
LAN = "lan"
"""The LAN's bridge."""
BRIDGE = "cni0"
POD_MTU = 1450
DIRECT_TABLE = 142
_HOSTS = {4: "192.168.1.{}", 6: "fd00:1::{}"}
_PODS = {4: "10.42.{}", 6: "fd00:42:0:{}:"}
_NETWORK_SIZES = {4: 24, 6: 64}

_numbers = itertools.count()

Programs = Callable[[str], Sequence[str]]


def from_source(program: str) -> list[str]:
    """Return what executes a program as it is in the checkout."""
    return [sys.executable, "-m", "cni", program]


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
        self.flannel = Flannel(self.host, self)
        self._addresses = {family: text.format(10 + number) for family, text in _HOSTS.items()}

    @property
    def port(self) -> str:
        """The LAN's end of the node's cable."""
        return f"port{self.number}"

    def address(self, family: int) -> str:
        """Return the node's address on the LAN."""
        return self._addresses[family]

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
        # A bridge without a MAC of its own has its lowest port's, and another one with each pod:
        # pods would send to the former one for a while. The bridge plugin gives it one, too.
        mac = f"02:00:00:0b:00:0{self.number}"
        self.host.ip("link", "add", BRIDGE, "address", mac, "mtu", str(POD_MTU), "type", "bridge")
        self.host.ip("link", "set", BRIDGE, "up")
        peer = ("peer", "name", "eth0", "netns", self.pod.name)
        self.host.ip("link", "add", "veth0", "mtu", str(POD_MTU), "type", "veth", *peer)
        self.host.ip("link", "set", "veth0", "master", BRIDGE, "up")
        # As the plugin does that makes it: else its MAC changes when ports come and go.
        (shown,) = self.host.show("link", "show", BRIDGE)
        self.host.ip("link", "set", BRIDGE, "address", shown["address"])
        self.pod.ip("link", "set", "eth0", "mtu", str(POD_MTU), "up")
        for family, size in _NETWORK_SIZES.items():
            self.take_address(family)
            _give(self.host, f"{self._of_pods(family, 1)}/{size}", BRIDGE)
            _give(self.pod, f"{self.pod_address(family)}/{size}", "eth0")
            default = ("default", "via", self._of_pods(family, 1))
            self.pod.ip(f"-{family}", "route", "add", *default)
        self.sysctl("ipv4/ip_forward", "1")
        self.sysctl("ipv6/conf/all/forwarding", "1")

    def take_address(self, family: int) -> None:
        """Have its address on the LAN, if it has lost it."""
        _give(self.host, f"{self.address(family)}/{_NETWORK_SIZES[family]}", UPLINK)

    def move(self, host: int) -> None:
        """Have other addresses on the LAN, which nobody is told.

        Args:
            host: their last digits.
        """
        for family, size in _NETWORK_SIZES.items():
            self.host.ip("address", "delete", f"{self.address(family)}/{size}", "dev", UPLINK)
            self._addresses[family] = _HOSTS[family].format(host)
            self.take_address(family)

    def conflist(self, folder: Path) -> dict[str, Any]:
        """Return the primary network's configuration, as flannel delegates it.

        Args:
            folder: for what host-local writes down.
        """
        ranges = [
            [{"subnet": self.pod_network(family), "rangeStart": self._of_pods(family, 100)}]
            for family in OVERLAYS
        ]
        ipam = {"type": "host-local", "ranges": ranges, "dataDir": str(folder)}
        bridge = {
            "type": "bridge", "bridge": BRIDGE, "isGateway": True, "isDefaultGateway": True,
            "mtu": POD_MTU, "hairpinMode": True, "forceAddress": False, "ipam": ipam,
        }  # fmt: skip
        return {"cniVersion": "1.0.0", "name": "cbr0", "plugins": [bridge]}

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
            timeout=PATIENCE,
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

    def rules(self, family: int) -> list[dict[str, Any]]:
        """Return the rules that lead to routing tables."""
        return self.host.show(f"-{family}", "rule", "show")

    def encapsulated(self) -> dict[str, int]:
        """Return how many packets the overlay's devices have sent and received."""
        counted = {"sent": 0, "received": 0}
        for device in OVERLAYS.values():
            (shown,) = self.host.show("-statistics", "link", "show", device)
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
        return self.host.show(f"-{family}", "route", "show", "table", table)

    def _of_pods(self, family: int, host: int) -> str:
        prefix = _PODS[family].format(self.number)
        return f"{prefix}.{host}" if family == 4 else f"{prefix}:{host or ''}"


Joining = Callable[[Namespace, Node], None]
"""Brings a node onto the LAN: its uplink is there, and up."""


def by_cable(lan: Namespace, node: Node) -> None:
    """Plug a node into the LAN's bridge."""
    peer = ("peer", "name", UPLINK, "netns", node.host.name)
    lan.ip("link", "add", node.port, "master", LAN, "type", "veth", *peer)
    lan.ip("link", "set", node.port, "up")
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
            node.flannel.start(self.others(node))
        for one, other in itertools.combinations(self.nodes, 2):
            for family in OVERLAYS:
                wait_for_ping(one, other, family)

    def others(self, node: Node) -> list[Node]:
        """Return the nodes but for one."""
        return [other for other in self.nodes if other is not node]

    def delete(self) -> None:
        """Remove all of it."""
        made = [self.lan, *(space for node in self.nodes for space in (node.host, node.pod))]
        for namespace in made:
            subprocess.run(["ip", "netns", "delete", namespace.name], check=False)


def wait_for_ping(one: Node, other: Node, family: int) -> None:
    """Wait until a pod reaches another: IPv6 needs a moment on links that have just come up."""
    ping = ("ping", "-n", "-c", "1", "-W", "0.2", other.pod_address(family))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            one.pod.run(*ping)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def _give(namespace: Namespace, address: str, device: str) -> None:
    nodad = ("nodad",) if ":" in address else ()
    namespace.ip("address", "add", address, "dev", device, *nodad)
