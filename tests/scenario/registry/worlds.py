"""A cluster of nodes with one store, each with its own state, machine and boot."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path
from typing import Any
from zlib import crc32

from typer.testing import CliRunner, Result

from cni.host.paths import Paths
from cni.kernel.fake import FakeKernel
from cni.protocol import request as requests
from install.railctl import app
from ipam.etcd.client import EtcdClient
from ipam.etcd.interface import Etcd, Get, Keys, Put, Txn
from ipam.etcd.settings import Settings
from ipam.holding import upkeep
from ipam.plugin import RailIpam
from ipam.registry.keys import Layout
from ipam.registry.records import NodeRecord, now
from ipam.wiring import Wiring

SECOND = 10**9
WITHIN = 10.0
FABRIC = """\
[fabrics.backend]
static = ["10.60.1.0/24"]
[fabrics.backend.rails.roce-a]
subnet = "10.60.0.0/{prefix}"
[fabrics.backend.rails.roce-b]
subnet = "10.64.0.0/{prefix}"
"""


def node_file(name: str, endpoints: tuple[str, ...], prefix: int = 16, access: str = "") -> str:
    """Return a node file.

    Args:
        name: the node's.
        endpoints: etcd's.
        prefix: the length of the rails' subnets.
        access: lines that say who asks.
    """
    etcd = f"[etcd]\nendpoints = {json.dumps(list(endpoints))}\ntimeout = 2\n{access}"
    return f'node = "{name}"\n{etcd}{FABRIC.format(prefix=prefix)}'


class Node:
    """A node: ADD and DEL on it, and what happens to it."""

    def __init__(self, folder: Path, name: str, world: World) -> None:
        self.name, self.boot, self.now = name, 1, 1000 * SECOND
        self.paths = Paths(folder / "state", folder / "log", folder / "etc")
        self.paths.config.mkdir(parents=True)
        self.write(node_file(name, world.endpoints, access=world.access))
        dmi = folder / "sys/class/dmi/id"
        dmi.mkdir(parents=True)
        (dmi / "product_uuid").write_text(f"4c4c4544-0042-3510-8052-{crc32(name.encode()):012}")
        self.wiring = Wiring(
            self.paths, lambda: self.boot_id, lambda: self.now, folder / "sys", world.connect
        )
        self.kernel = FakeKernel()

    def write(self, text: str) -> None:
        """Write the node file, root's alone."""
        self.paths.node_file.write_text(text)
        self.paths.node_file.chmod(0o600)

    @property
    def boot_id(self) -> str:
        return f"{self.name}-boot-{self.boot}"

    @property
    def session(self) -> NodeRecord:
        """What its heartbeat says."""
        with self.wiring.journal() as journal, journal.rehearsal() as tx:
            journal_id = tx.blocks.session().journal_id
        hardware = self.record_value("hardware")
        return NodeRecord(
            node=self.name, hardware=hardware, boot=self.boot_id, journal=journal_id,
            version="1", since=now(),
        )  # fmt: skip

    def record_value(self, key: str) -> str:
        """Return a value of the journal's meta table."""
        connection = sqlite3.connect(self.paths.journal)
        try:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        finally:
            connection.close()
        return str(row[0])

    def add(
        self, container: str, *, rail: str = "roce-a", ip: str = "", pod: str = "", **ipam: Any
    ) -> str:
        """ADD; return the address."""
        config = {"type": "rail-ipam", "fabric": "backend", "rail": rail, **ipam}
        args = f"K8S_POD_NAMESPACE=training;K8S_POD_NAME={pod or f'pod-{container}'}"
        request = self._request("ADD", container, rail, config, args + (f";IP={ip}" if ip else ""))
        plugin = RailIpam(self.wiring, lambda: None)
        return str(plugin.allocate(request).result.ips[0].address.ip)

    def delete(self, container: str, *, rail: str = "roce-a") -> None:
        request = self._request("DEL", container, rail, {}, "")
        RailIpam(self.wiring, lambda: None).release(request)

    def tell(self) -> None:
        """Let the registry be told all."""
        assert upkeep.run(self.wiring.shared_desk, 10**9)

    def reboot(self) -> None:
        self.boot += 1
        self.now = self.boot * SECOND

    def show_address(self, address: str) -> str:
        """Let a namespace of its kernel have an address; return the namespace's path."""
        path = f"/run/netns/cni-{address}"
        self.kernel.add_namespace(path)
        self.kernel.add_veth(f"h{address[-6:]}", "net1", peer_path=path)
        with self.kernel.open(path) as namespace:
            link = namespace.find("net1")
            assert link
            namespace.add_address(link.index, ip_interface(f"{address}/16"))
        return path

    def _request(
        self, command: str, container: str, rail: str, ipam: dict[str, Any], args: str
    ) -> requests.Request:
        environ = {
            "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_IFNAME": "net1",
            "CNI_NETNS": "/run/netns/any", "CNI_PATH": "/opt/cni/bin", "CNI_ARGS": args,
        }  # fmt: skip
        if rail != "roce-a":
            environ["CNI_IFNAME"] = "net2"
        document = {"cniVersion": "1.1.0", "name": rail, "ipam": ipam}
        return requests.read(environ, json.dumps(document).encode())


@dataclass
class World:
    """Nodes, the store, and a person at one of the nodes."""

    folder: Path
    etcd: Etcd
    patch: Callable[[Node], None]
    """Lets railctl run on a node."""
    endpoints: tuple[str, ...] = ("etcd-0:2379",)
    access: str = ""
    """Lines of the node file that say who asks."""
    reachable: bool = True

    def __post_init__(self) -> None:
        self.layout = Layout("/railcni/")

    def connect(self, settings: Settings) -> Etcd:
        del settings
        if not self.reachable:
            return EtcdClient(Settings(("127.0.0.1:9",), attempt=0.1))
        return self.etcd

    def node(self, name: str) -> Node:
        return Node(self.folder / name, name, self)

    def railctl(self, node: Node, *words: str, typed: str | None = None) -> Result:
        """Run a command on a node."""
        self.patch(node)
        return CliRunner().invoke(app, words, input=typed, catch_exceptions=False)

    def document(self, node: Node, *words: str, code: int = 0) -> Any:
        result = self.railctl(node, *words, "--output", "json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    def beat(self, node: Node) -> None:
        """Let a node have a heartbeat."""
        self.put(self.layout.heartbeat(node.name), node.session.encode())

    def put(self, key: str, value: bytes) -> None:
        self.etcd.txn(Txn(then=(Put(key, value),)), WITHIN)

    def keys(self, kind: str = "") -> list[str]:
        """Return the keys of a kind, without what all begin with."""
        prefix = f"/railcni/{kind}"
        found = self.etcd.get(Get(Keys.below(prefix)), WITHIN).found
        return [one.key.removeprefix(prefix) for one in found.entries]
