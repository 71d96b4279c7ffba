"""A node: its own state folder, hardware and boot, and the product's own code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

from cni.host.paths import Paths
from cni.protocol.request import Request
from cni.protocol.versions import Command
from ipam.etcd.interface import Etcd
from ipam.etcd.settings import Settings
from ipam.holding import upkeep
from ipam.plugin import RailIpam
from ipam.wiring import Wiring, connect

Fabrics: TypeAlias = Mapping[str, Sequence[str]]
"""The subnets of each fabric's rails."""

TWO_FABRICS: Fabrics = {
    "backend": ("10.60.0.0/16", "10.61.0.0/16"),
    "storage": ("10.70.0.0/16", "10.71.0.0/16"),
}


@dataclass(frozen=True, slots=True)
class World:
    """What all nodes have in common.

    Args:
        folder: for the nodes' files.
        endpoints: etcd's.
        fabrics: all of them shared.
        timeout: seconds that a request waits for etcd at most.
        block_size: slots of a block.
    """

    folder: Path
    endpoints: tuple[str, ...]
    fabrics: Fabrics
    timeout: float = 5.0
    block_size: int = 16


class Node:
    """One node; nothing of it is in memory only, so that any process can go on with it.

    Args:
        world: where it lives.
        number: tells it from the others.
        connect: makes its clients of etcd.
        keep_open: as `Wiring` has it.
        apart: it has a boot and a hardware of its own, that no program on this machine knows.
    """

    def __init__(
        self,
        world: World,
        number: int,
        connect: Callable[[Settings], Etcd] = connect,
        *,
        keep_open: bool = True,
        apart: bool = True,
    ) -> None:
        self.world = world
        self.name = f"node{number}"
        home = world.folder / self.name
        paths = Paths(home / "state", home / "log", home / "etc")
        if not home.exists():
            _furnish(home, world, number)
        self.wiring = Wiring(paths, connect=connect, keep_open=keep_open)
        if apart:
            boot = str(UUID(int=(number << 64) + 2))
            self.wiring = replace(self.wiring, boot_id=lambda: boot, sys=home / "sys")
        self._ipam = RailIpam(self.wiring, lambda: None)

    def add(self, fabric: str, rail: int, container: str) -> str:
        """Give a container its address on a rail; return it."""
        request = self._request(Command.ADD, fabric, rail, container)
        return str(self._ipam.allocate(request).result.ips[0].address.ip)

    def delete(self, fabric: str, rail: int, container: str) -> None:
        """Take it back."""
        self._ipam.release(self._request(Command.DEL, fabric, rail, container))

    def tend(self) -> None:
        """Do what rail-upkeep does, and give blocks back at once when nothing is in them."""
        if not upkeep.run(self.wiring.shared_desk, return_after=0):
            raise RuntimeError(f"{self.name}: the registry is not up to date")

    def close(self) -> None:
        """Close what it keeps open."""
        self.wiring.close()

    def _request(self, command: Command, fabric: str, rail: int, container: str) -> Request:
        ipam = {"type": "rail-ipam", "fabric": fabric, "rail": f"{fabric}-{rail}", "quarantine": 0}
        pod = {"K8S_POD_NAMESPACE": "training", "K8S_POD_NAME": container}
        return Request(
            command,
            "1.0.0",
            {"name": f"{fabric}-{rail}", "ipam": ipam},
            container_id=container,
            ifname=f"{fabric[:8]}{rail}",
            args=pod,
        )


def _furnish(home: Path, world: World, number: int) -> None:
    identity = home / "sys/class/dmi/id"
    identity.mkdir(parents=True)
    uuid = UUID(int=(0xFEED << 112) + (number << 32) + 0x51F7)
    (identity / "product_uuid").write_text(f"{uuid}\n", encoding="ascii")
    (home / "etc").mkdir()
    lines = [
        f'node = "node{number}"',
        f'nodeId = "node{number}"',
        "[etcd]",
        f"endpoints = {json.dumps(world.endpoints)}",
        f"timeout = {world.timeout}",
    ]
    for fabric, subnets in world.fabrics.items():
        lines += [f"[fabrics.{fabric}]", f"blockSize = {world.block_size}"]
        for rail, subnet in enumerate(subnets):
            lines += [f"[fabrics.{fabric}.rails.{fabric}-{rail}]", f'subnet = "{subnet}"']
    (home / "etc/node.toml").write_text("\n".join(lines) + "\n", encoding="ascii")
