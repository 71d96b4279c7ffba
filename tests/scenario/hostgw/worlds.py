"""Nodes to try rail-hostgw on: the running kernel's, and one in memory."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from abc import ABC, abstractmethod
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import netns

from cni.host.locks import Locks
from cni.host.paths import STATE_DIR, Paths
from cni.hostgw.kept import Notes
from cni.hostgw.node import Node
from cni.hostgw.plugin import PathKeeper, RailHostgw
from cni.kernel.fake import FakeKernel, FakeSysfs
from cni.kernel.interface import Kernel, Namespace, Sysfs
from cni.kernel.linux import LinuxKernel
from cni.kernel.sysfs import LinuxSysfs
from cni.kernel.types import MAIN_TABLE, Link, Route
from cni.protocol.skel import Reply, serve

UPLINK, OVERLAY, OVERLAY6 = "wlan0", "flannel.1", "flannel-v6.1"
OWN, OWN6 = "192.168.1.10/24", "fd00:1::10/64"
RESULT = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "sandbox": "/run/netns/pod", "later": {"key": [1, None]}}],
    "ips": [{"address": "10.42.0.5/24", "gateway": "10.42.0.1", "interface": 0}],
    "dns": {},
    "ofAVersionToCome": [{"a": 1.5}],
}
PEERS = {
    "10.42.1.0/24": "192.168.1.11",
    "10.42.2.0/24": "192.168.1.12",
    "fd00:42:1::/64": "fd00:1::11",
}
"""Where flannel says that pods are, and at which node."""

_numbers = itertools.count()


class World(ABC):
    """One node with flannel's devices, and the other end of its uplink's cable."""

    kernel: Kernel
    sysfs: Sysfs
    agent: PathKeeper | None = None
    """What serves a request where an agent does."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(state=folder / "state", logs=folder / "logs")
        self.node = Node(self.kernel, self.sysfs, Locks(self.paths.locks), Notes(self.paths.hostgw))

    def begin(self) -> None:
        """Let it be a node of a cluster of three."""
        for address in (OWN, OWN6):
            self.host.add_address(self.link(UPLINK).index, ip_interface(address))
        for device, address in ((OVERLAY, "10.42.0.0/32"), (OVERLAY6, "fd00:42::/128")):
            link = self.link(device)
            self.host.set_mtu(link.index, 1450)
            self.host.set_up(link.index)
            self.host.add_address(link.index, ip_interface(address))
        self.make_link("cni0", "bridge")
        self.host.add_address(self.link("cni0").index, ip_interface("10.42.0.1/24"))
        for cidr, address in PEERS.items():
            self.join(cidr, address)
            self.appear(address)

    @abstractmethod
    def appear(self, address: str) -> None:
        """Let somebody on the LAN have an address."""

    @abstractmethod
    def vanish(self, address: str) -> None:
        """Let nobody have it any more."""

    @abstractmethod
    def make_link(self, name: str, kind: str) -> None:
        """Make a bridge, a vxlan or a veth with an end of its own here; it is up."""

    @abstractmethod
    def be_wireless(self) -> None:
        """Let the uplink be a radio."""

    @abstractmethod
    def enter(self, device: str, gateway: str, mac: str, address: str) -> None:
        """Write what flannel writes of a peer beside its route."""

    @abstractmethod
    def close(self) -> None:
        """Remove everything that was made."""

    @property
    def host(self) -> Namespace:
        """The node's namespace."""
        return self.kernel.host

    def link(self, name: str) -> Link:
        """Return a link that must be there."""
        found = self.host.find(name)
        assert found, name
        return found

    def join(self, cidr: str, address: str) -> None:
        """Do what flannel does when a peer comes."""
        device = OVERLAY6 if ":" in cidr else OVERLAY
        network = ip_network(cidr)
        gateway = network.network_address
        mac = f"02:00:00:00:00:{next(_numbers) % 250:02x}"
        self.enter(device, str(gateway), mac, address)
        self._route_on_link(Route(network, self.link(device).index, gateway))

    @abstractmethod
    def _route_on_link(self, route: Route) -> None:
        """`ip route add … onlink`."""

    def call(self, command: str = "ADD", **given: Any) -> Reply:
        """Serve one request as a runtime would make it."""
        document: dict[str, Any] = {
            "cniVersion": "1.1.0",
            "name": "cbr0",
            "type": "rail-hostgw",
            "agentless": True,
            "prevResult": RESULT,
            **given,
        }
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": "c1",
            "CNI_NETNS": "/run/netns/pod",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": "/opt/cni/bin",
            STATE_DIR: str(self.paths.state),
        }
        plugin = RailHostgw(self.node, self.agent)
        return serve(lambda _: plugin, environ, json.dumps(document).encode())

    def direct(self, table: int = 142) -> dict[str, str]:
        """Return which pod networks go straight, and to which node."""
        return {str(r.dst): str(r.gateway) for r in self.host.table(table) if r.protocol == 142}

    def rules(self) -> set[tuple[str, int, int]]:
        """Return the rules of ours: to where, which table, which priority."""
        found = [rule for rule in self.host.rules() if rule.protocol == 142]
        return {(str(rule.to), rule.table, rule.priority) for rule in found}

    def main(self) -> set[Route]:
        """Return the main table."""
        return set(self.host.table(MAIN_TABLE))

    def filter(self, device: str) -> str | None:
        """Return a device's rp_filter."""
        return self.host.sysctl(f"ipv4/conf/{device}/rp_filter")


class MemoryWorld(World):
    """A kernel in memory."""

    kernel: FakeKernel
    sysfs: FakeSysfs

    def __init__(self, folder: Path) -> None:
        self.kernel = FakeKernel()
        self.sysfs = FakeSysfs(self.kernel)
        self.kernel.add_namespace("/run/netns/lan")
        self.kernel.add_veth(UPLINK, "lan0", peer_path="/run/netns/lan")
        with self.kernel.open("/run/netns/lan") as lan:
            self._lan = lan.netns
            self._end = next(link.index for link in lan.links() if link.name == "lan0")
            lan.set_up(self._end)
        self.kernel.host.set_up(self.link(UPLINK).index)
        for device in (OVERLAY, OVERLAY6):
            self.kernel.add_tunnel(device)
        super().__init__(folder)

    def appear(self, address: str) -> None:
        self._lan.devices[self._end].addresses.append(ip_interface(address))

    def vanish(self, address: str) -> None:
        self._lan.devices[self._end].addresses.remove(ip_interface(address))

    def make_link(self, name: str, kind: str) -> None:
        if kind == "bridge":
            link = self.kernel.add_bridge(name)
        elif kind == "vxlan":
            link = self.kernel.add_tunnel(name)
        else:
            link = self.kernel.add_veth(name, f"{name}p")
        self.host.set_up(link.index)

    def be_wireless(self) -> None:
        self.kernel.make_wireless(UPLINK)

    def enter(self, device: str, gateway: str, mac: str, address: str) -> None:
        self.kernel.add_neighbour(device, ip_address(gateway), mac, permanent=True)
        self.kernel.add_forwarding(device, mac, ip_address(address))

    def _route_on_link(self, route: Route) -> None:
        self.kernel.host.netns.routes.append(route)

    def close(self) -> None:
        """Forget it."""


class LinuxWorld(World):
    """The running kernel, with a namespace of its own for the host: this thread enters it."""

    def __init__(self, folder: Path) -> None:
        name = f"hgw-{os.getpid()}-{next(_numbers)}"
        self._namespaces = [f"{name}-host", f"{name}-lan"]
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        for namespace in self._namespaces:
            ip("netns", "add", namespace)
        with Path("/run/netns", self._namespaces[0]).open("rb") as host:
            netns.setns(host, netns.CLONE_NEWNET)
        self.kernel = LinuxKernel()
        self._sys = folder / "sys"
        self.sysfs = LinuxSysfs(self._sys)
        super().__init__(folder)

    def begin(self) -> None:
        ip("link", "set", "lo", "up")
        lan = ["peer", "name", "lan0", "netns", self._namespaces[1]]
        ip("link", "add", UPLINK, "type", "veth", *lan)
        self._in_lan("link", "set", "lan0", "up")
        ip("link", "set", UPLINK, "up")
        assert self.host.wait_for_carrier(self.link(UPLINK).index, 2)
        for device, own in ((OVERLAY, OWN), (OVERLAY6, OWN6)):
            local = ["local", str(ip_interface(own).ip)]
            vxlan = ["id", "1", "dstport", "8472", "nolearning", *local]
            ip("link", "add", device, "type", "vxlan", *vxlan)
        super().begin()

    def appear(self, address: str) -> None:
        self._in_lan("address", "add", address, "dev", "lan0", "nodad")

    def vanish(self, address: str) -> None:
        length = "128" if ":" in address else "32"
        self._in_lan("address", "del", f"{address}/{length}", "dev", "lan0")

    def make_link(self, name: str, kind: str) -> None:
        vxlan = ["id", "9", "dstport", "4789"] if kind == "vxlan" else []
        ip("link", "add", name, "type", kind, *vxlan)
        ip("link", "set", name, "up")

    def be_wireless(self) -> None:
        (self._sys / "class/net" / UPLINK / "phy80211").mkdir(parents=True)

    def enter(self, device: str, gateway: str, mac: str, address: str) -> None:
        ip("neighbour", "add", gateway, "lladdr", mac, "dev", device, "nud", "permanent")
        entry = ["fdb", "append", mac, "dev", device, "dst", address]
        subprocess.run(["bridge", *entry], check=True, capture_output=True)

    def _route_on_link(self, route: Route) -> None:
        link = self.host.link(route.index)
        assert link
        ip("route", "add", str(route.dst), "via", str(route.gateway), "dev", link.name, "onlink")

    def close(self) -> None:
        netns.setns(self._home, netns.CLONE_NEWNET)
        os.close(self._home)
        for namespace in self._namespaces:
            ip("netns", "delete", namespace)

    def _in_lan(self, *words: str) -> None:
        ip("-netns", self._namespaces[1], *words)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
