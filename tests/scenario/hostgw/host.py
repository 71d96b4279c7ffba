"""A node of a cluster in memory: its kernel, and what others than an agent do to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network

from cni.kernel.fake import FakeKernel
from cni.kernel.marking import Marking
from cni.kernel.types import Address, Link, Network, Route, Rule
from cni.kernel.watching import News

UPLINK, OVERLAY, BRIDGE = "wlan0", "flannel.1", "cni0"
ANY = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


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


class Host:
    """One node, without an agent.

    Args:
        number: which one.
        versions: of IP.
    """

    def __init__(self, number: int, versions: tuple[int, ...]) -> None:
        self.number = number
        self.places = {version: Place.of(number, version) for version in versions}
        self.addresses: dict[int, Address] = {}
        self.kernel = FakeKernel(before_change=self._before)
        self.host = self.kernel.host
        self._is_outside = False
        with self.outside():
            self._build()

    @contextmanager
    def outside(self) -> Iterator[None]:
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

    def bind_overlay(self, address: Address | None) -> None:
        """Have the overlay's packets sent from an address."""
        device = self.host.netns.find(OVERLAY)
        assert device
        device.local = address

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
        found = [f for f in device.forwarding if f.mac in macs]
        return found[0].destination if found else None

    def _build(self) -> None:
        self.kernel.add_physical(UPLINK)
        self.kernel.make_wireless(UPLINK)
        self.kernel.add_tunnel(OVERLAY)
        self.kernel.add_bridge(BRIDGE)
        for name in (UPLINK, OVERLAY, BRIDGE):
            self.host.set_up(self.link(name).index)
        for place in self.places.values():
            length = place.pods.max_prefixlen
            self.host.add_address(self.link(OVERLAY).index, ip_interface((place.overlay, length)))
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
        self.foreign_marking = Marking("others", 2, frozenset({(4, 24)}), frozenset({ANY[4]}))
        for each in self.foreign:
            if isinstance(each, Route):
                self.host.add_route(each)
            else:
                self.host.add_rule(each)
        self.host.set_marking(self.foreign_marking)

    def _before(self, verb: str) -> None:
        """Is called before each change of the kernel."""
