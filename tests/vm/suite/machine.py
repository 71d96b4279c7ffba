"""The guest as a node, and a container runtime on it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.spec import node
from tests.spec.runtime import Reply, Runtime, Slot, read_reply
from tests.vm.suite.devices import PF, VF


class Machine(node.Node):
    """The guest's own network namespace as a node, with pods beside it."""

    def __init__(self) -> None:
        self.name = "host"  # the guest's first process has named it
        self.path = f"/run/netns/{self.name}"
        self._pods = []

    def delete(self) -> None:
        """Remove the pods."""
        for pod in self._pods:
            pod.delete()

    def run(self, *command: str) -> str:
        """Run a command; return what it printed."""
        return node.run(*command)


@dataclass(frozen=True, slots=True)
class MachineRuntime(Runtime):
    """A container runtime that starts programs as the guest's own processes."""

    def command(self, program: str) -> list[str]:
        """Return what executes a program of CNI_PATH."""
        found = next(folder / program for folder in self.path if (folder / program).exists())
        return [*self.wrapper, str(found)]

    def at_once(
        self, command: str, requests: Sequence[tuple[Mapping[str, Any], Slot]]
    ) -> list[Reply]:
        """Make some requests at once; return their answers in the same order."""
        started = [self.start(command, config, slot) for config, slot in requests]
        return [read_reply(process, command) for process in started]


class Supply:
    """Lends VFs, each like new.

    Making VFs takes 1 s and removing them 3 s here, binding one again 0.2 s: so they are made once,
    and are renewed when a test has had them.
    """

    def __init__(self) -> None:
        self._lent: list[VF] = []
        self._made: dict[PF, list[VF]] = {}

    def lend(self, pf: PF, count: int) -> list[VF]:
        """Return VFs of a PF, down and on the host, that nobody has now."""
        if self._made.get(pf) != pf.vfs() or not pf.vfs():
            self._made[pf] = pf.make_vfs(7)
            pf.prepare()
            for vf in self._made[pf]:
                if pf.settings()[vf.number]["address"] != vf.link()["address"]:
                    vf.reset()  # its driver began while the PF's did, and was not heard
        lent = [vf for vf in self._made[pf] if vf not in self._lent][:count]
        assert len(lent) == count, f"{pf.address} has no {count} VFs left"
        self._lent += lent
        return lent

    def take_back(self) -> None:
        """Renew what is lent."""
        for vf in self._lent:
            if vf.path.exists():
                vf.reset()
        self._lent.clear()


def ping(
    pod: node.Namespace, address: str, size: int = 8972, *, interface: str = "net1"
) -> subprocess.CompletedProcess[str]:
    """Ping once by an interface, unfragmented; 8972 bytes are a packet of 9000."""
    return subprocess.run(
        ["ip", "netns", "exec", pod.name, "ping", "-c", "1", "-W", "3", "-M", "do",
         "-s", str(size), "-I", interface, address],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def await_ping(pod: node.Namespace, address: str, interface: str = "net1") -> None:
    """Wait until jumbo frames get there: a link's carrier takes seconds."""
    node.wait_until(
        lambda: ping(pod, address, interface=interface).returncode == 0, f"a ping of {address}", 15
    )


def plug(vf: VF, pod: node.Namespace, address: str) -> None:
    """Put a VF into a pod by hand, as net1."""
    name = vf.netdev
    node.run("ip", "link", "set", name, "netns", pod.name)
    pod.ip("link", "set", name, "name", "net1", "mtu", str(node.FABRIC_MTU), "up")
    pod.ip("address", "add", address, "dev", "net1")


def rail(vf: VF, name: str = "roce-a", subnet: str = "10.60.0.0/16", **keys: Any) -> dict[str, Any]:
    """Return a network configuration of rail-sriov for a VF, as Multus completes it."""
    return {
        "cniVersion": "1.0.0",
        "name": name,
        "type": "rail-sriov",
        "deviceID": vf.address,
        "ipam": {"type": "rail-ipam", "subnet": subnet},
        **keys,
    }
