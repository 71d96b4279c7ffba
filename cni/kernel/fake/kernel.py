"""The fake kernel, and what a test does to it from outside."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from errno import ENOENT
from ipaddress import IPv6Address, ip_network

from cni.kernel.fake import lifecycle, releases, routing, sysctls
from cni.kernel.fake.adapting import Adapting
from cni.kernel.fake.carrying import Carrying
from cni.kernel.fake.expiring import SECOND
from cni.kernel.fake.hardware import Hardware
from cni.kernel.fake.model import HOST, Announcement, Device, Machine, Netns
from cni.kernel.fake.namespace import FakeNamespace
from cni.kernel.fake.netfilter import Netfilter
from cni.kernel.fake.releases import Release
from cni.kernel.interface import Namespace
from cni.kernel.types import (
    Address,
    Forwarding,
    Link,
    Neighbour,
    NetnsGoneError,
    NetnsId,
    Route,
)
from cni.kernel.watching import News

_FIRST_INODE = 4026531840


class FakeKernel(Hardware, Netfilter, Carrying, Adapting):
    """A kernel in memory; keeps the `Kernel` protocol.

    Args:
        ipv6: whether the kernel has IPv6 at all.
        linux: which release it is; what it has not learned yet, it cannot.
        before_change: called with a verb before it changes anything; what it raises, the verb
            raises, and nothing has changed: so a test crashes a caller at any step.
    """

    def __init__(
        self,
        *,
        ipv6: bool = True,
        linux: Release = releases.NEWEST,
        before_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.machine = Machine(ipv6, linux, before_change)
        self._boot_id = uuid.uuid4()
        self._cookies = 0
        self._unshared = 0
        self.host = FakeNamespace(self.machine, self._new_netns(HOST), HOST)

    # ── The Kernel protocol ──────────────────────────────────────────────────────────────────

    @contextmanager
    def open(self, path: str) -> Iterator[FakeNamespace]:
        """Open a namespace by path."""
        with self._opened(self._at(path), path) as namespace:
            yield namespace

    @contextmanager
    def new_namespace(self) -> Iterator[FakeNamespace]:
        """Make a namespace that lives until the context ends."""
        self._unshared += 1
        path = f"/proc/1/fd/{self._unshared}"
        self.add_namespace(path)
        with self.open(path) as namespace:
            try:
                yield namespace
            finally:
                self.delete_namespace(path)

    @contextmanager
    def search(self, wanted: Callable[[Namespace], bool]) -> Iterator[FakeNamespace | None]:
        """Open the first namespace that is wanted and still has a path."""
        for netns in [netns for netns in self._namespaces if netns.paths]:
            with self._opened(netns, netns.paths[0]) as namespace:
                if wanted(namespace):
                    yield namespace
                    return
        yield None

    def rdma_is_exclusive(self) -> bool:
        """`rdma system show`."""
        knows = self.machine.linux >= releases.RDMA_NAMESPACES
        return knows and self.machine.rdma_is_exclusive

    def boot_id(self) -> str:
        """Return the random identity of this boot."""
        return str(self._boot_id)

    def uptime(self) -> int:
        """Return the virtual time in nanoseconds."""
        return self.machine.now

    # ── What happens to a kernel ─────────────────────────────────────────────────────────────

    @property
    def announcements(self) -> Sequence[Announcement]:
        """What has been announced so far."""
        return self.machine.announcements

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        before = self.machine.now
        self.machine.now += int(seconds * SECOND)
        for netns in self._namespaces:
            if netns.watches:
                lifecycle.pass_time(netns, before, self.machine.now)

    def add_namespace(self, path: str) -> NetnsId:
        """`ip netns add`: a namespace with nothing but `lo`, which is down."""
        return self._new_netns(path).identity

    def add_path(self, path: str, another: str) -> None:
        """Make a namespace reachable by one more path: another mount, or `/proc/PID/ns/net`."""
        self._at(path).paths.append(another)

    def delete_namespace(self, path: str) -> None:
        """`ip netns delete`: the namespace dies with its last path, unless somebody has it open."""
        netns = self._at(path)
        netns.paths.remove(path)
        self._reap(netns)

    def add_veth(
        self, name: str, peer: str, *, path: str = HOST, peer_path: str = "", index: int = 0
    ) -> Link:
        """`ip link add NAME index I type veth peer name PEER netns P`; return NAME's link."""
        one = Device(name, self._new_mac(), kind="veth")
        other = Device(peer, self._new_mac(), kind="veth", peer=one)
        one.peer = other
        self._at(peer_path or path).adopt(other)
        return self._add(one, path, index)

    def add_bridge(self, name: str, *, path: str = HOST) -> Link:
        """`ip link add NAME type bridge`."""
        return self._add(Device(name, self._new_mac(), kind="bridge"), path)

    def add_tunnel(
        self, name: str, *, kind: str = "vxlan", path: str = HOST, local: Address | None = None
    ) -> Link:
        """`ip link add NAME type KIND local LOCAL …`."""
        return self._add(Device(name, self._new_mac(), kind=kind, mtu=1450, local=local), path)

    def add_neighbour(
        self, name: str, address: Address, mac: str, *, permanent: bool, path: str = HOST
    ) -> None:
        """`ip neighbour add ADDRESS lladdr MAC dev NAME nud permanent`, or stale."""
        self._device(name, path).neighbours.append(Neighbour(address, mac, permanent))
        if permanent:
            self._at(path).tell(News.NEIGHBOUR)

    def remove_neighbour(self, name: str, address: Address, *, path: str = HOST) -> None:
        """`ip neighbour delete ADDRESS dev NAME`."""
        neighbours = self._device(name, path).neighbours
        found = next(neighbour for neighbour in neighbours if neighbour.address == address)
        neighbours.remove(found)
        if found.permanent:
            self._at(path).tell(News.NEIGHBOUR)

    def add_forwarding(
        self, name: str, mac: str, destination: Address, *, path: str = HOST
    ) -> None:
        """`bridge fdb append MAC dev NAME dst DESTINATION`."""
        self._device(name, path).forwarding.append(Forwarding(mac, destination))
        self._at(path).tell(News.NEIGHBOUR)

    def set_master(self, name: str, master: str, *, path: str = HOST) -> None:
        """`ip link set dev NAME master MASTER`."""
        self._device(name, path).master = self._device(master, path)
        self._at(path).tell(News.LINK)

    def delete_link(self, name: str, *, path: str = HOST) -> None:
        """`ip link delete dev NAME`, or the adapter's driver unbound; a veth's peer goes too."""
        self._destroy(self._device(name, path))

    def set_carrier(
        self, name: str, *, connected: bool, after: float = 0, path: str = HOST
    ) -> None:
        """Pull the cable, or put it in: then the carrier comes after so many seconds."""
        device = self._device(name, path)
        device.plugged = connected
        device.carrier_at = self.machine.now + int(after * SECOND)
        device.tell_of_carrier()

    def count_errors(self, name: str, counter: str, count: int) -> None:
        """Let a device of the host meet so many errors of a kind."""
        self._device(name, HOST).errors[counter] = count

    def advertise_router(self, path: str, router: str = "fe80::1") -> None:
        """Let a router advertisement arrive on every link of a namespace that has carrier.

        Those that accept it get a default route, as `accept_ra` and `forwarding` say.
        """
        netns = self._at(path)
        for device in netns.devices.values():
            if device.has_carrier(self.machine.now) and _accepts_advertisements(device):
                route = Route(
                    ip_network("::/0"),
                    device.index,
                    IPv6Address(router),
                    priority=routing.DEFAULT_METRIC,
                    protocol=routing.ROUTER_ADVERTISEMENT,
                )
                netns.routes += [route] if route not in netns.routes else []
                netns.tell(News.ROUTE)

    def lose_news(self, *, path: str = HOST) -> None:
        """Let more have changed than the kernel could keep for those who watch."""
        self._at(path).tell(*News)

    # ── Inside ───────────────────────────────────────────────────────────────────────────────

    def _at(self, path: str) -> Netns:
        for netns in self._namespaces:
            if path in netns.paths:
                return netns
        raise NetnsGoneError(f"nsenter --net={path}", ENOENT, "No such file or directory")

    @contextmanager
    def _opened(self, netns: Netns, path: str) -> Iterator[FakeNamespace]:
        netns.opened += 1
        try:
            yield FakeNamespace(self.machine, netns, path)
        finally:
            netns.opened -= 1
            self._reap(netns)

    def _new_netns(self, path: str) -> Netns:
        if any(path in netns.paths for netns in self._namespaces):
            raise FileExistsError(path)
        taken = {netns.inode for netns in self._namespaces}
        inode = next(i for i in range(_FIRST_INODE, _FIRST_INODE + 2**20) if i not in taken)
        self._cookies += 1
        settings = sysctls.fresh(ipv6=self.machine.ipv6)
        netns = Netns(inode, self._cookies, settings, self.machine.linux, [path])
        netns.rules += routing.RULES + (routing.RULES6 if self.machine.ipv6 else ())
        lo = Device("lo", "00:00:00:00:00:00", mtu=65536, min_mtu=0, max_mtu=0, loopback=True)
        netns.adopt(lo)
        self._namespaces.append(netns)
        return netns

    def _add(self, device: Device, path: str, index: int = 0) -> Link:
        netns = self._at(path)
        netns.adopt(device, index)
        return netns.link(device, self.machine.now)

    def _device(self, name: str, path: str) -> Device:
        device = self._at(path).find(name)
        if device is None:
            raise LookupError(f"{path} has no {name}")
        return device

    def _reap(self, netns: Netns) -> None:
        """Let a namespace that nobody can reach any more die."""
        if netns.paths or netns.opened or netns not in self._namespaces:
            return
        self._namespaces.remove(netns)
        for device in list(netns.devices.values()):
            if device.is_physical:
                self._return(device, netns)
            else:
                self._destroy(device)
        for unit in self.machine.rdma_devices:
            if unit.netns is netns:
                unit.netns = self.host.netns

    def _return(self, device: Device, netns: Netns) -> None:
        """Bring an adapter home, as `devN` where its name is taken by now."""
        host = self.host.netns
        device.altnames[:] = [name for name in device.altnames if name not in host.names()]
        lifecycle.transfer(device, netns, host, f"dev{device.index}")


def _accepts_advertisements(device: Device) -> bool:
    """Return what `accept_ra` means: 1 unless the link forwards, 2 in any case."""
    accept = device.sysctls.get("ipv6/conf/accept_ra", "0")
    return accept == "2" or (accept == "1" and device.sysctls["ipv6/conf/forwarding"] == "0")
