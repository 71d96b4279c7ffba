"""Nodes to try rail-sriov on: the running kernel's, and one in memory."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from cni.delegate.choose import ipam_for
from cni.host.locks import Locks
from cni.host.paths import STATE_DIR, Paths
from cni.kernel.interface import Kernel, Namespace
from cni.kernel.linux import LinuxKernel
from cni.kernel.sysfs import Sysfs
from cni.protocol.request import Request
from cni.protocol.skel import Reply, serve
from cni.rail.attachment import Attachments
from cni.rail.node import Node
from cni.rail.plugin import RailSriov
from cni.rail.routes import SOURCE_TABLE

_numbers = itertools.count()


class World(ABC):
    """One node: its kernel, its files, its runtime."""

    kernel: Kernel

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(state=folder / "state", logs=folder / "logs")
        self.sysfs_root = folder / "sys"
        self.node = Node(
            kernel=self.kernel,
            sysfs=Sysfs(self.sysfs_root),
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

    def call(
        self, command: str, *, pod: str, device: str = "-", container: str = "c1",
        ifname: str = "net1", network: str = "roce-a", node: Node | None = None, **config: Any,
    ) -> Reply:  # fmt: skip
        """Serve one request as a runtime would make it."""
        key = (network, container, ifname)
        document: dict[str, Any] = {
            "cniVersion": "1.1.0",
            "name": network,
            "type": "rail-sriov",
            "device": device,
            "ipam": {"type": "rail-ipam", "subnet": "10.60.0.0/16"},
            **config,
        }
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
        plugin = RailSriov(node or self.node)
        reply = serve(lambda _: plugin, environ, json.dumps(document).encode())
        if command == "ADD" and reply.exit_code == 0:
            self.results[key] = reply.document
        return reply

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


class LinuxWorld(World):
    """The running kernel; names are this process's own, and everything is removed again."""

    def __init__(self, folder: Path) -> None:
        self.kernel = LinuxKernel()
        self._prefix = f"rt{os.getpid() % 10_000}x{next(_numbers)}"
        self._pods: list[str] = []
        self._links: list[str] = []
        super().__init__(folder)

    def add_device(self, *altnames: str) -> str:
        name = f"{self._prefix}d{len(self._links)}"
        peer = f"{name}p"
        self._links.append(peer)
        _ip("link", "add", name, "mtu", "1500", "type", "veth", "peer", "name", peer)
        _ip("link", "set", peer, "mtu", "9000", "up")
        for altname in altnames:
            _ip("link", "property", "add", "dev", name, "altname", altname)
        return name

    def add_pod(self) -> str:
        name = f"{self._prefix}-pod{len(self._pods)}"
        _ip("netns", "add", name)
        self._pods.append(name)
        return f"/run/netns/{name}"

    def delete_pod(self, path: str) -> None:
        name = Path(path).name
        self._pods.remove(name)
        _ip("netns", "delete", name)

    def close(self) -> None:
        for name in self._pods:
            _ip("netns", "delete", name)
        for link in self._links:
            subprocess.run(["ip", "link", "delete", link], capture_output=True, check=False)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
