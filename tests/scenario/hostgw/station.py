"""A node of a cluster in memory: its kernel, its agent, and all that happens to both."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.keys import Key, Keys
from cni.agent.hostgw.probe import Attached
from cni.agent.hostgw.prover import Prover
from cni.agent.hostgw.settings import HostgwSettings
from cni.host.locks import Locks
from cni.host.paths import Paths
from cni.hostgw.kept import Notes
from cni.hostgw.node import Node
from cni.kernel.fake import FakeKernel, FakeSysfs
from cni.kernel.marking import Marking
from cni.kernel.types import Address, Forwarding, KernelError, Link, Network, Route, Rule
from cni.kernel.watching import News
from cni.protocol.errors import CniError

UPLINK, OVERLAY, BRIDGE = "wlan0", "flannel.1", "cni0"
TIMES = {"interval": 1, "up": 1, "limit": 3, "hold": 4, "longestHold": 12}
LIMIT = 3.0
GOOD, NEW, BAD = (Key.of(bytes([n]) * 32) for n in range(3))
ANY = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


class DiedError(BaseException):
    """The agent's process has been killed, at this very verb."""


@dataclass(frozen=True, slots=True)
class Place:
    """The addresses of one family of one node."""

    number: int
    pods: Network
    overlay: Address
    length: int
    """Of an address on the LAN."""

    @classmethod
    def of(cls, number: int, version: int) -> Place:
        """Return those of a node."""
        if version == 4:
            pods = ip_network(f"10.42.{number}.0/24")
            return cls(number, pods, pods.network_address, 24)
        pods = ip_network(f"fd00:42:0:{number}::/64")
        return cls(number, pods, pods.network_address, 64)

    def pod(self, number: int) -> Address:
        """Return the address of a pod there."""
        return self.pods.network_address + number


class Station:
    """One node.

    Args:
        number: which one.
        folder: for its files.
        versions: of IP.
    """

    def __init__(self, number: int, folder: Path, versions: tuple[int, ...]) -> None:
        self.number = number
        self.places = {version: Place.of(number, version) for version in versions}
        self.addresses: dict[int, Address] = {}
        self.kernel = FakeKernel(before_change=self._before)
        self.host = self.kernel.host
        paths = Paths(state=folder / f"{number}/state", logs=folder / f"{number}/logs")
        sysfs = FakeSysfs(self.kernel)
        self.node = Node(self.kernel, sysfs, Locks(paths.locks), Notes(paths.hostgw))
        self.prover: Prover | None = None
        self.attached: Attached | None = None
        self.keys = [GOOD]
        self.hangs_until = 0.0
        self.crash_in: int | None = None
        """So many changes from now on the agent dies."""
        self.refuses = ""
        """What the kernel refuses: the beginning of a verb."""
        self.slow = 0.0
        """Seconds that a change of a route, a rule, a setting or a table takes."""
        self.put_back: Callable[[], None] = lambda: None
        """Is called when the agent is about to make a way."""
        self.inspect: Callable[[], None] = lambda: None
        """Is called between any two changes of its kernel by the agent."""
        self._is_outside = False
        self._numbers = itertools.count(9)
        self._probe = ExitStack()
        with self.outside():
            self._build()

    # ── What happens to its kernel ───────────────────────────────────────────────────────────

    @contextmanager
    def outside(self) -> Any:
        """Let somebody else than the agent change the kernel."""
        self._is_outside = True
        try:
            yield
        finally:
            self._is_outside = False

    def link(self, name: str) -> Link:
        """Return a link that must be there."""
        found = self.host.find(name)
        assert found
        return found

    def be_at(self, last: int) -> None:
        """Have addresses on the LAN, and no others."""
        device = self.host.netns.find(UPLINK)
        assert device
        index, was_up = device.index, device.up
        self.host.set_down(index)
        device.addresses.clear()
        gone = set(self.addresses.values())
        self.host.netns.routes = [
            r for r in self.host.netns.routes if r.dst.network_address not in gone
        ]
        if was_up:
            self.host.set_up(index)
        for version, place in self.places.items():
            text = f"192.168.1.{last}" if version == 4 else f"fd00:1::{last}"
            self.addresses[version] = ip_address(text)
            if was_up:
                self.host.add_address(index, ip_interface(f"{text}/{place.length}"))

    def set_uplink(self, *, up: bool) -> None:
        """Let its uplink go, or come back as a network manager brings it back."""
        index = self.link(UPLINK).index
        if up and not self.link(UPLINK).up:
            self.host.set_up(index)
            held = {address.ip for address in self.host.addresses(index)}
            for version, address in self.addresses.items():
                if address not in held:
                    length = self.places[version].length
                    self.host.add_address(index, ip_interface(f"{address}/{length}"))
        elif not up:
            self.host.set_down(index)

    def learn(self, place: Place, node: Address) -> None:
        """Do what flannel does when a peer comes, or is elsewhere."""
        self.forget(place)
        mac = f"02:00:00:{place.number:02x}:{node.packed[-1]:02x}:{place.pods.version:02x}"
        gateway = place.pods.network_address
        self.kernel.add_neighbour(OVERLAY, gateway, mac, permanent=True)
        self.kernel.add_forwarding(OVERLAY, mac, node)
        self.host.netns.routes.append(Route(place.pods, self.link(OVERLAY).index, gateway))
        self.host.netns.tell(News.ROUTE)

    def forget(self, place: Place) -> None:
        """Do what flannel does when a peer goes."""
        device = self.host.netns.find(OVERLAY)
        assert device
        gateway = place.pods.network_address
        macs = [n.mac for n in device.neighbours if n.address == gateway]
        device.neighbours[:] = [n for n in device.neighbours if n.address != gateway]
        device.forwarding[:] = [f for f in device.forwarding if f.mac not in macs]
        self.host.netns.routes[:] = [
            r for r in self.host.netns.routes if not (r.dst == place.pods and r.table == 254)
        ]
        self.host.netns.tell(News.ROUTE, News.NEIGHBOUR)

    def behind(self, gateway: Address) -> Address | None:
        """Return to which node the overlay carries what is for a gateway."""
        device = self.host.netns.find(OVERLAY)
        assert device
        macs = {n.mac for n in device.neighbours if n.address == gateway}
        found: list[Forwarding] = [f for f in device.forwarding if f.mac in macs]
        return found[0].destination if found else None

    # ── Its agent ────────────────────────────────────────────────────────────────────────────

    @property
    def now(self) -> float:
        """Return the time."""
        return self.kernel.uptime() / 1e9

    def start(self, mode: str = "wifi", *, attach: bool = True) -> None:
        """Start an agent."""
        assert self.prover is None
        if attach:
            self.attach()
        settings = HostgwSettings.model_validate({"mode": mode, **TIMES})
        self.prover = Prover(self.node, settings, self._read_keys, self._read_attached)

    def attach(self) -> None:
        """Give it a pod of its own, with an address that nobody had before."""
        self.detach()
        with self.outside():
            namespace = self._probe.enter_context(self.kernel.new_namespace())
            number = next(self._numbers)
            self.kernel.add_veth(f"veth{number}", "eth0", peer_path=namespace.path)
            self.host.set_up(self.link(f"veth{number}").index)
            end = namespace.find("eth0")
            assert end
            namespace.set_up(end.index)
            for version, place in self.places.items():
                own = ip_interface((place.pod(number), place.pods.prefixlen))
                namespace.add_address(end.index, own)
                namespace.add_route(Route(ANY[version], end.index, place.pod(1)))
        pods = {version: place.pod(number) for version, place in self.places.items()}
        self.attached = Attached(namespace, pods, {})

    def detach(self) -> None:
        """Take its pod away."""
        self.attached = None
        self._probe.close()

    def turn(self) -> bool:
        """Let the agent do what it does in one round; return whether it has done all of it."""
        if self.prover is None or self.now < self.hangs_until:
            return False
        try:
            self.prover._take_news()
            for way in Way:
                self.prover.receive(way)
            self.prover.turn()
        except DiedError:
            self.die()
        except (KernelError, CniError):
            assert self.refuses
            self.prover.look_soon()
            self.hangs_until = self.now + 1
        else:
            return True
        return False

    def stop(self) -> None:
        """Let the agent end as it should; it may die of it."""
        try:
            if self.prover:
                self.prover.close()
        except DiedError:
            self.die()
        except KernelError:
            assert self.refuses
        self.prover = None
        self.detach()

    def die(self) -> None:
        """Let go of what a process has, when it is no more."""
        if self.prover:
            self.prover._sockets.close()
            self.prover._open.close()
        self.prover, self.crash_in = None, None
        self.detach()

    def _build(self) -> None:
        self.kernel.add_physical(UPLINK)
        self.kernel.make_wireless(UPLINK)
        self.kernel.add_tunnel(OVERLAY)
        self.kernel.add_bridge(BRIDGE)
        for name in (UPLINK, OVERLAY, BRIDGE):
            self.host.set_up(self.link(name).index)
        for place in self.places.values():
            length = place.pods.max_prefixlen
            self.host.add_address(
                self.link(OVERLAY).index, ip_interface((place.overlay, length))
            )
            own = ip_interface((place.pod(1), place.pods.prefixlen))
            self.host.add_address(self.link(BRIDGE).index, own)
        self.be_at(10 + self.number)
        others = ip_network("203.0.113.0/24")
        by = self.link(BRIDGE).index
        self.foreign = (
            Route(others, by, scope=253),
            Route(others, by, table=142, protocol=99, scope=253),
            Rule(ANY[4], 142, 5000, others, 99),
            Rule(ANY[4], 143, 5000, others, 142),
        )
        self.foreign_marking = Marking("others", 2, frozenset({(4, 24)}))
        for each in self.foreign:
            if isinstance(each, Route):
                self.host.add_route(each)
            else:
                self.host.add_rule(each)
        self.host.set_marking(self.foreign_marking)

    def _before(self, verb: str) -> None:
        if self._is_outside:
            return
        self.inspect()
        if self.crash_in is not None:
            self.crash_in -= 1
            if self.crash_in < 0:
                raise DiedError(verb)
        if self.refuses and self.refuses in verb:
            raise KernelError(verb, 1, "not today")
        if verb.startswith(("ip route add", "ip rule add")):
            self.put_back()
        if "element" not in verb:  # marks are relative: what takes them long is another matter
            self.kernel.advance(self.slow)

    def _read_keys(self) -> Keys:
        if BAD in self.keys:
            raise CniError(7, "no key")
        return Keys(tuple(self.keys))

    def _read_attached(self) -> tuple[Attached | None, str]:
        return self.attached, "" if self.attached else "it has been taken away"
