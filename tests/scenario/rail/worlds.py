"""Nodes to try rail-sriov on: the running kernel's, and one in memory."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import netns

from cni.delegate.choose import ipam_for
from cni.host.locks import Locks
from cni.host.paths import STATE_DIR, Paths
from cni.kernel.fake import FakeKernel, FakeSysfs
from cni.kernel.fake.releases import NEWEST, Release
from cni.kernel.interface import Kernel, Sysfs
from cni.kernel.linux import LinuxKernel
from cni.kernel.sysfs import LinuxSysfs
from cni.protocol.skel import Reply, serve
from cni.rail.attachment import Attachments
from cni.rail.node import Node
from cni.rail.plugin import RailSriov
from cni.rail.routes import SOURCE_TABLE

PF = "0000:3b:00.0"

_numbers = itertools.count()


class World(ABC):
    """One node: its kernel, its files, its runtime."""

    kernel: Kernel
    sysfs: Sysfs

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(state=folder / "state", logs=folder / "logs")
        self.node = Node(
            kernel=self.kernel,
            sysfs=self.sysfs,
            attachments=Attachments(self.paths.attachments),
            locks=Locks(self.paths.locks),
            ipam_for=ipam_for,
        )
        self.results: dict[tuple[str, str, str], Any] = {}

    @abstractmethod
    def add_device(self, *altnames: str) -> str:
        """Make a device that a rail may take, MTU 1500, its other end up; return its name."""

    @abstractmethod
    def add_pod(self) -> str:
        """Make a network namespace; return its path."""

    @abstractmethod
    def delete_pod(self, path: str) -> None:
        """Remove a network namespace's name, and with it the namespace if nobody else is in it."""

    @abstractmethod
    def close(self) -> None:
        """Remove everything that was made."""

    def call(self, command: str, *, pod: str, node: Node | None = None, **given: Any) -> Reply:
        """Serve one request as a runtime would make it.

        Args:
            command: CNI_COMMAND.
            pod: CNI_NETNS.
            node: what to serve it on instead of this node.
            given: `container`, `ifname` and `network`, and keys of the network configuration.
        """
        container = given.pop("container", "c1")
        ifname = given.pop("ifname", "net1")
        network = given.pop("network", "roce-a")
        document: dict[str, Any] = {
            "cniVersion": "1.1.0",
            "name": network,
            "type": "rail-sriov",
            "ipam": {"type": "rail-ipam", "subnet": "10.60.0.0/16"},
            **given,
        }
        key = (network, container, ifname)
        if key in self.results and command in {"CHECK", "DEL"}:
            document.setdefault("prevResult", self.results[key])
        environ = {
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": pod,
            "CNI_IFNAME": ifname,
            "CNI_PATH": "/usr/lib/cni",
            "PATH": os.environ["PATH"],
            STATE_DIR: str(self.paths.state),
        }
        self._let_time_pass()
        plugin = RailSriov(node or self.node)
        reply = serve(lambda _: plugin, environ, json.dumps(document).encode())
        if command == "ADD" and reply.exit_code == 0:
            self.results[key] = reply.document
        return reply

    @abstractmethod
    def _let_time_pass(self) -> None:
        """Let the next request come later than the last one."""

    def seen(self, *names: str) -> dict[str, Any]:
        """Return what DEL must restore of the host's links: all but index and carrier."""
        return {
            name: (link.name, link.mac, link.mtu, link.up, sorted(link.altnames))
            for name in names
            if (link := self.kernel.host.find(name))
        }

    def in_pod(self, path: str) -> tuple[list[str], int]:
        """Return the names of a pod's links, and how many rules of ours it has."""
        with self.kernel.open(path) as pod:
            rules = [rule for rule in pod.rules() if rule.table >= SOURCE_TABLE]
            return [link.name for link in pod.links()], len(rules)

    def records(self) -> list[str]:
        """Return the files that say that something is attached."""
        return sorted(file.name for file in self.paths.attachments.glob("*"))

    def held(self) -> list[str]:
        """Return the addresses that rail-ipam holds, as the journal's own reader tells."""
        if not self.paths.journal.exists():
            return []
        import sqlite3

        connection = sqlite3.connect(self.paths.journal)
        try:
            return [str(row) for row in connection.execute("SELECT * FROM attachments")]
        finally:
            connection.close()


class MemoryWorld(World):
    """A kernel in memory, where one can do what a running one does not let one do.

    Args:
        folder: for its files.
        linux: which release it is.
    """

    kernel: FakeKernel
    has_ipv6 = True

    def __init__(self, folder: Path, linux: Release = NEWEST) -> None:
        self.kernel = FakeKernel(ipv6=self.has_ipv6, linux=linux)
        self.sysfs = FakeSysfs(self.kernel)
        super().__init__(folder)

    def add_device(self, *altnames: str) -> str:
        number = next(_numbers)
        link = self.kernel.add_veth(f"dev{number}", f"dev{number}p")
        host = self.kernel.host
        host.set_up(link.lower)
        for altname in altnames:
            host.add_altname(link.index, altname)
        return link.name

    def add_function(self, address: str, *, pf_mtu: int = 9000, **given: Any) -> str:
        """Make a VF of the adapter ens1f0, which is plugged in with the first one.

        Args:
            address: its PCI address.
            pf_mtu: of ens1f0, in bytes.
            given: as `FakeKernel.add_virtual_function` takes it.

        Returns:
            The VF's name on the host, where it has one.
        """
        if not self.sysfs.physical_functions():
            self.kernel.add_physical_function("ens1f0", pci=PF, mtu=pf_mtu)
        name = f"vf{next(_numbers)}"
        self.kernel.add_virtual_function(PF, pci=address, name=name, **given)
        return name

    def add_pod(self) -> str:
        path = f"/run/netns/pod{next(_numbers)}"
        self.kernel.add_namespace(path)
        return path

    def delete_pod(self, path: str) -> None:
        self.kernel.delete_namespace(path)

    def close(self) -> None:
        """Forget it."""

    def _let_time_pass(self) -> None:
        self.kernel.advance(0.001)


class LinuxWorld(World):
    """The running kernel, with a namespace of its own for the host: this thread enters it."""

    def __init__(self, folder: Path) -> None:
        self._names = f"railcni-{os.getpid()}-{next(_numbers)}"
        self._namespaces: list[str] = []
        self._devices = itertools.count()
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        with Path(self.add_pod()).open("rb") as host:
            netns.setns(host, netns.CLONE_NEWNET)
        self.kernel = LinuxKernel()
        self.sysfs = LinuxSysfs(folder / "sys")
        super().__init__(folder)

    def add_device(self, *altnames: str) -> str:
        name = f"dev{next(self._devices)}"
        peer = f"{name}p"
        _ip("link", "add", name, "mtu", "1500", "type", "veth", "peer", "name", peer)
        _ip("link", "set", peer, "mtu", "9000", "up")
        for altname in altnames:
            _ip("link", "property", "add", "dev", name, "altname", altname)
        return name

    def add_pod(self) -> str:
        name = f"{self._names}-{len(self._namespaces)}"
        _ip("netns", "add", name)
        self._namespaces.append(name)
        return f"/run/netns/{name}"

    def delete_pod(self, path: str) -> None:
        _ip("netns", "delete", Path(path).name)

    def close(self) -> None:
        netns.setns(self._home, netns.CLONE_NEWNET)
        os.close(self._home)
        for name in self._namespaces:
            if Path("/run/netns", name).exists():
                _ip("netns", "delete", name)

    def _let_time_pass(self) -> None:
        """It does."""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
