"""The physical and virtual functions of the guest, as sysfs and iproute2 tell of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.spec.node import FABRIC_MTU, run, wait_until

_PCI = Path("/sys/bus/pci")
_MOVING = {"ifindex", "operstate", "qdisc"}
"""What differs in a link that has been up, or elsewhere, and is home again."""
_NEWBORN = "mac 00:00:00:00:00:00 vlan 0 qos 0 spoofchk on trust off max_tx_rate 0"
"""The settings of a VF that nobody has set; no MAC says that its driver takes a random one."""


@dataclass(frozen=True, slots=True, order=True)
class Function:
    """A function of a PCI device.

    Args:
        address: its PCI address.
    """

    address: str

    @property
    def path(self) -> Path:
        """Its folder in sysfs."""
        return _PCI / "devices" / self.address

    @property
    def driver(self) -> str:
        """The name of the driver that it is bound to, or nothing."""
        link = self.path / "driver"
        return link.readlink().name if link.exists() else ""

    @property
    def numa_node(self) -> int:
        """The NUMA node that it says that it is on."""
        return int((self.path / "numa_node").read_text())

    @property
    def netdevs(self) -> list[str]:
        """The names of its network devices, where this namespace has them."""
        folder = self.path / "net"
        return [entry.name for entry in folder.iterdir()] if folder.exists() else []

    @property
    def netdev(self) -> str:
        """The name of its network device, which this namespace must have."""
        (name,) = self.netdevs
        return name

    def link(self) -> dict[str, Any]:
        """Return all that iproute2 tells of its network device."""
        told: list[dict[str, Any]] = json.loads(
            run("ip", "-json", "-details", "link", "show", "dev", self.netdev)
        )
        return told[0]

    def bind(self, driver: str) -> None:
        """Bind it to a driver, whatever has it now; a network driver's device is then there."""
        (self.path / "driver_override").write_text(f"{driver}\n")
        if self.driver:
            (self.path / "driver/unbind").write_text(self.address)
        (_PCI / "drivers_probe").write_text(self.address)
        assert self.driver == driver
        (self.path / "driver_override").write_text("\n")


@dataclass(frozen=True, slots=True, order=True)
class PF(Function):
    """A physical function: the host's port on one rail."""

    @classmethod
    def found(cls) -> list[PF]:
        """Return those of the guest, by address."""
        return sorted(cls(link.name) for link in (_PCI / "drivers/igb").glob("????:*"))

    def prepare(self) -> None:
        """Make it the port of a rail: up, with jumbo frames and carrier."""
        run("ip", "link", "set", self.netdev, "mtu", str(FABRIC_MTU), "up")
        wait_until(lambda: "LOWER_UP" in self.link()["flags"], f"carrier on {self.address}", 60)

    def vfs(self) -> list[VF]:
        """Return its VFs, by number."""
        links = sorted(self.path.glob("virtfn*"), key=lambda link: int(link.name[6:]))
        return [VF(link.readlink().name, self, number) for number, link in enumerate(links)]

    def make_vfs(self, count: int) -> list[VF]:
        """Remove the VFs that it has, make others, wait for their network devices: seconds."""
        setting = self.path / "sriov_numvfs"
        setting.write_text("0")
        if count:
            setting.write_text(str(count))
        wait_until(lambda: all(vf.netdevs for vf in self.vfs()), f"{count} VFs of {self.address}")
        return self.vfs()

    def settings(self) -> list[dict[str, Any]]:
        """Return what it tells of its VFs, by number."""
        told: list[dict[str, Any]] = self.link()["vfinfo_list"]
        return told


@dataclass(frozen=True, slots=True, order=True)
class VF(Function):
    """A virtual function.

    Args:
        address: its PCI address.
        pf: the function that it is of.
        number: which of them.
    """

    pf: PF
    number: int

    def state(self) -> dict[str, Any]:
        """Return all that is to be as before when a pod has had it; it must be on the host."""
        link = {key: value for key, value in self.link().items() if key not in _MOVING}
        return {
            "link": link | {"altnames": sorted(link.get("altnames", []))},
            "settings": self.pf.settings()[self.number],
            "driver": self.driver,
            "numa_node": self.numa_node,
            "sysfs": dict(_attributes(self.path / "net" / self.netdev)),
        }

    def reset(self) -> None:
        """Make it like new: its settings, and all that its driver and its network device have."""
        # iproute2 takes one setting of a VF per word, and sends them in one message.
        run("ip", "link", "set", self.pf.netdev, "vf", str(self.number), *_NEWBORN.split())
        self.bind("igbvf")
        wait_until(lambda: bool(self.netdevs), f"the network device of {self.address}")


def _attributes(folder: Path) -> Iterator[tuple[str, str]]:
    for name in ("address", "flags", "mtu", "tx_queue_len"):
        yield name, (folder / name).read_text().strip()
