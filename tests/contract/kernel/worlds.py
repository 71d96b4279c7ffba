"""Two worlds behind one interface: the running kernel, and the fake.

A test gets the setup verbs of a `World` and never asks which one it is in.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from cni.kernel.adapters import LACP, Bond
from cni.kernel.fake import FakeKernel, FakeSysfs
from cni.kernel.functions import VfSettings, VirtualFunction
from cni.kernel.interface import Kernel, Namespace, Sysfs
from cni.kernel.linux import LinuxKernel
from cni.kernel.netns import NetnsThread
from cni.kernel.sysfs import LinuxSysfs
from cni.kernel.types import KernelError, Link
from tests.contract.kernel import legacy
from tests.contract.kernel.nftables import IP, nft, nft_chain, nft_flush, nft_table

HOST = "/proc/self/ns/net"
LEGACY = {4: "iptables-legacy filter FORWARD", 6: "ip6tables-legacy filter FORWARD"}


class World(Protocol):
    """What a test does from outside, as an operator or a container runtime would."""

    @property
    def kernel(self) -> Kernel: ...

    @property
    def sysfs(self) -> Sysfs: ...

    def name(self) -> str:
        """Return a name that no link has."""
        ...

    def namespace(self) -> str:
        """Make a network namespace; return its path."""
        ...

    def delete_namespace(self, path: str) -> None: ...

    def keep_alive(self, path: str) -> str:
        """Start a process in a namespace; return its `/proc/PID/ns/net`."""
        ...

    def veth(self, path: str = HOST, peer_path: str = "", index: int = 0) -> tuple[str, str]:
        """Make a pair; return both names."""
        ...

    def bridge(self, path: str) -> str: ...

    def bond(self, path: str) -> str:
        """Make a bond with LACP and without a port; return its name."""
        ...

    def enslave(self, name: str, bridge: str, path: str) -> None: ...

    def tunnel(self, path: str, local: str = "") -> str:
        """Make a vxlan device as flannel does; return its name."""
        ...

    def know(self, name: str, address: str, mac: str, path: str, *, permanent: bool = True) -> None:
        """Enter a neighbour."""
        ...

    def forget(self, name: str, address: str, path: str) -> None:
        """Remove a neighbour."""
        ...

    def delete_link(self, name: str, path: str) -> None: ...

    def lead(self, name: str, mac: str, destination: str, path: str) -> None:
        """Enter where a tunnel sends the frames for a MAC."""
        ...

    def drop_forwarded(self, path: str) -> str:
        """Make a chain that drops what is forwarded; return its family, table and name."""
        ...

    def flush_marking(self, table: str, path: str) -> None:
        """Remove the rules of a table that marks, and leave its sets."""
        ...

    def pass_time(self, seconds: float) -> None: ...

    def drop_forwarded_by_iptables(self, path: str, version: int) -> str:
        """Let iptables-legacy drop what is forwarded; return what it is called."""
        ...

    def stop_offloading(self, name: str, path: str) -> None:
        """Let no hardware compute checksums."""
        ...

    def connect_later(self, peer: str, path: str, seconds: float) -> None:
        """Set a veth's peer up after a while."""
        ...

    def plug_vfs(self) -> VirtualFunction:
        """Make two VFs of an adapter of igb, whose PF has carrier; return the first."""
        ...

    def unplug_vfs(self) -> None:
        """Remove them."""
        ...

    def rdma_device(self) -> str:
        """Make an RDMA device on the host; return its name."""
        ...

    @property
    def can_move_rdma(self) -> bool:
        """Whether that device may leave its namespace: not every driver lets it."""
        ...

    def make_rdma_exclusive(self) -> None:
        """Let each RDMA device belong to one namespace; before any other namespace is made."""
        ...


class FakeWorld:
    """The world of `cni.kernel.fake`."""

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.sysfs = FakeSysfs(self.kernel)
        self._numbers = count()

    def name(self) -> str:
        return f"fk{next(self._numbers)}"

    def namespace(self) -> str:
        path = f"/run/netns/{self.name()}"
        self.kernel.add_namespace(path)
        return path

    def delete_namespace(self, path: str) -> None:
        self.kernel.delete_namespace(path)

    def keep_alive(self, path: str) -> str:
        another = f"/proc/{next(self._numbers)}/ns/net"
        self.kernel.add_path(path, another)
        return another

    def veth(self, path: str = HOST, peer_path: str = "", index: int = 0) -> tuple[str, str]:
        name, peer = self.name(), self.name()
        self.kernel.add_veth(name, peer, path=path, peer_path=peer_path, index=index)
        return name, peer

    def bridge(self, path: str) -> str:
        return self.kernel.add_bridge(self.name(), path=path).name

    def bond(self, path: str) -> str:
        return self.kernel.add_bond(self.name(), Bond(LACP), path=path).name

    def enslave(self, name: str, bridge: str, path: str) -> None:
        self.kernel.set_master(name, bridge, path=path)

    def tunnel(self, path: str, local: str = "") -> str:
        own = ip_address(local) if local else None
        return self.kernel.add_tunnel(self.name(), path=path, local=own).name

    def know(self, name: str, address: str, mac: str, path: str, *, permanent: bool = True) -> None:
        self.kernel.add_neighbour(name, ip_address(address), mac, permanent=permanent, path=path)

    def forget(self, name: str, address: str, path: str) -> None:
        self.kernel.remove_neighbour(name, ip_address(address), path=path)

    def delete_link(self, name: str, path: str) -> None:
        self.kernel.delete_link(name, path=path)

    def lead(self, name: str, mac: str, destination: str, path: str) -> None:
        self.kernel.add_forwarding(name, mac, ip_address(destination), path=path)

    def drop_forwarded(self, path: str) -> str:
        self.kernel.drop_forwarded("inet filter forward", path=path)
        return "inet filter forward"

    def flush_marking(self, table: str, path: str) -> None:
        self.kernel.flush_table(table, path=path)

    def pass_time(self, seconds: float) -> None:
        self.kernel.advance(seconds)

    def drop_forwarded_by_iptables(self, path: str, version: int) -> str:
        self.kernel.drop_forwarded(LEGACY[version], path=path)
        return LEGACY[version]

    def stop_offloading(self, name: str, path: str) -> None:
        self.kernel.offload_checksums(name, on=False, path=path)

    def connect_later(self, peer: str, path: str, seconds: float) -> None:
        with self.kernel.open(path) as namespace:
            link = namespace.find(peer)
            assert link
            namespace.set_up(link.index)
            other = namespace.link(link.lower)
            assert other
        self.kernel.set_carrier(other.name, connected=True, after=seconds, path=path)

    def plug_vfs(self) -> VirtualFunction:
        self.kernel.add_physical_function("ens1f0", pci="0000:3b:00.0")
        for address in ("0000:3b:10.0", "0000:3b:10.2"):
            self.kernel.add_virtual_function("ens1f0", pci=address)
        return self.sysfs.virtual_functions("0000:3b:00.0")[0]

    def unplug_vfs(self) -> None:
        self.kernel.remove_virtual_functions("ens1f0")

    def rdma_device(self) -> str:
        name = self.name()
        self.kernel.add_physical_function(self.name(), pci="0000:5e:00.0", rdma_device=name)
        return name

    can_move_rdma = True

    def make_rdma_exclusive(self) -> None:
        self.kernel.set_rdma_mode(exclusive=True)


class LinuxWorld:
    """The running kernel, in namespaces and with links of our own."""

    def __init__(self, undo: ExitStack) -> None:
        self.kernel = LinuxKernel()
        self.sysfs = LinuxSysfs()
        self._undo = undo
        self._tag = secrets.token_hex(3)
        self._numbers = count()

    def name(self) -> str:
        return f"rk{self._tag}{next(self._numbers)}"

    def namespace(self) -> str:
        name = self.name()
        ip("netns", "add", name)
        self._undo.callback(ip, "netns", "delete", name, check=False)
        return f"/run/netns/{name}"

    def delete_namespace(self, path: str) -> None:
        ip("netns", "delete", Path(path).name)

    def keep_alive(self, path: str) -> str:
        process = subprocess.Popen(["nsenter", f"--net={path}", "sleep", "30"])
        self._undo.callback(process.wait)
        self._undo.callback(process.kill)
        entered = Path(f"/proc/{process.pid}/ns/net")
        eventually(lambda: not entered.samefile(HOST))
        return str(entered)

    def veth(self, path: str = HOST, peer_path: str = "", index: int = 0) -> tuple[str, str]:
        name, peer = self.name(), self.name()
        numbered = ["index", str(index)] if index else []
        elsewhere = ["netns", Path(peer_path).name] if peer_path else []
        add = ["link", "add", name, *numbered, "type", "veth", "peer", "name", peer, *elsewhere]
        ip(*inside(path), *add)
        if path == HOST:
            self._undo.callback(ip, "link", "delete", name, check=False)
            self._undo.callback(ip, "link", "delete", peer, check=False)
        return name, peer

    def bridge(self, path: str) -> str:
        name = self.name()
        ip(*inside(path), "link", "add", name, "type", "bridge")
        return name

    def bond(self, path: str) -> str:
        only_in_the_lab("it needs the kernel's bonding")
        run("modprobe", "bonding", "max_bonds=0")
        name = self.name()
        ip(*inside(path), "link", "add", name, "type", "bond", "mode", "802.3ad")
        return name

    def enslave(self, name: str, bridge: str, path: str) -> None:
        ip(*inside(path), "link", "set", name, "master", bridge)

    def tunnel(self, path: str, local: str = "") -> str:
        name = self.name()
        vxlan = ["type", "vxlan", "id", "1", "dstport", "8472", "nolearning"]
        vxlan += ["local", local] if local else []
        ip(*inside(path), "link", "add", name, *vxlan)
        return name

    def know(self, name: str, address: str, mac: str, path: str, *, permanent: bool = True) -> None:
        state = ["nud", "permanent" if permanent else "stale"]
        entry = [address, "lladdr", mac, "dev", name, *state]
        ip(*inside(path), "neighbour", "add", *entry)

    def forget(self, name: str, address: str, path: str) -> None:
        ip(*inside(path), "neighbour", "delete", address, "dev", name)

    def delete_link(self, name: str, path: str) -> None:
        ip(*inside(path), "link", "delete", name)

    def lead(self, name: str, mac: str, destination: str, path: str) -> None:
        entry = [mac, "dev", name, "dst", destination]
        run("bridge", *inside(path), "fdb", "append", *entry)

    def drop_forwarded(self, path: str) -> str:
        self.nft(path, nft_table("filter"), nft_chain("filter", "forward", drop=True))
        return "inet filter forward"

    def flush_marking(self, table: str, path: str) -> None:
        self.nft(path, nft_flush(IP, table, "output"))

    def nft(self, path: str, *requests: bytes) -> None:
        """Send nftables' requests, one after the other."""
        with NetnsThread() as thread:
            thread.enter(path)
            for request in requests:
                thread.run(partial(nft, request))

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def drop_forwarded_by_iptables(self, path: str, version: int) -> str:
        with NetnsThread() as thread:
            thread.enter(path)
            thread.run(lambda: legacy.drop_forwarded_by_iptables(version))
        return LEGACY[version]

    def stop_offloading(self, name: str, path: str) -> None:
        with NetnsThread() as thread:
            thread.enter(path)
            thread.run(lambda: legacy.stop_offloading(name))

    def connect_later(self, peer: str, path: str, seconds: float) -> None:
        timer = threading.Timer(seconds, ip, [*inside(path), "link", "set", peer, "up"])
        timer.start()
        self._undo.callback(timer.join)

    def plug_vfs(self) -> VirtualFunction:
        only_in_the_lab("it makes and removes VFs")
        pf = next(pf for pf in self.sysfs.physical_functions() if pf.driver == "igb")
        self._numvfs = Path("/sys/bus/pci/devices", pf.address, "sriov_numvfs")
        before = self._numvfs.read_text()
        self._numvfs.write_text("0")
        # While the PF is down, igb answers no VF; and with its VFs' coming it starts anew.
        index = get(self.kernel.host, pf.netdev).index
        self.kernel.host.set_up(index)
        self._undo.callback(self._numvfs.write_text, before)
        self._undo.callback(self._numvfs.write_text, "0")
        self._numvfs.write_text("2")
        eventually(lambda: all(vf.netdev for vf in self.sysfs.virtual_functions(pf.address)))
        assert self.kernel.host.wait_for_carrier(index, 10)
        return self.sysfs.virtual_functions(pf.address)[0]

    def unplug_vfs(self) -> None:
        self._numvfs.write_text("0")

    def rdma_device(self) -> str:
        only_in_the_lab("it needs the kernel's rdma_rxe")
        name, (netdev, _) = self.name(), self.veth()
        assert rdma("link", "add", name, "type", "rxe", "netdev", netdev)
        self._undo.callback(rdma, "link", "delete", name)
        return name

    can_move_rdma = False  # rdma_rxe

    def make_rdma_exclusive(self) -> None:
        only_in_the_lab("it changes the mode of the machine's RDMA devices")
        # Refused while there is another namespace, and the last test's end a moment later.
        self._undo.callback(eventually, lambda: rdma("system", "set", "netns", "shared"))
        eventually(lambda: rdma("system", "set", "netns", "exclusive"))


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, capture_output=True, timeout=10)


def run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True, timeout=10)


def rdma(*words: str) -> bool:
    return subprocess.run(["rdma", *words], check=False, capture_output=True).returncode == 0


def only_in_the_lab(reason: str) -> None:
    """Skip a test anywhere but in the lab's guest, which has the adapter, and nothing to lose."""
    if os.environ.get("RAILCNI_LAB") != "1":
        pytest.skip(f"{reason}: run by make lab")


def inside(path: str) -> list[str]:
    return [] if path == HOST else ["-n", Path(path).name]


def get(namespace: Namespace, name: str) -> Link:
    """Return a link that must be there."""
    found = namespace.find(name)
    assert found, f"no {name} in {namespace.path}"
    return found


def shown(namespace: Namespace, pf: int, number: int = 0) -> VfSettings:
    """Return what a PF imposes on a VF that must be there."""
    found = namespace.vf(pf, number)
    assert found, f"no VF {number} of {pf} in {namespace.path}"
    return found


def refuses(number: int, verb: Callable[[], None]) -> None:
    """Require that a verb raises KernelError with this errno."""
    with pytest.raises(KernelError) as refusal:
        verb()
    assert refusal.value.errno == number


def eventually(condition: Callable[[], bool], seconds: float = 5) -> None:
    """Wait for what the kernel does later, as the end of a namespace."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
