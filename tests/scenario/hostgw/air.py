"""What is between the stations, and a book of who has proven what to whom."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from cni.agent.hostgw import echo
from cni.agent.hostgw.echo import Echo, EchoError, Kind, Way, Word
from cni.agent.hostgw.keys import SIGNATURE, Keys
from cni.hostgw.decision import MARKS
from cni.kernel.fake import Departed
from cni.kernel.fake.model import HOST
from cni.kernel.marking import SHORTEST
from cni.kernel.types import Address, Network, Route
from tests.scenario.hostgw.host import OVERLAY, UPLINK
from tests.scenario.hostgw.station import BAD, GOOD, LIMIT, NEW, Station

ALL_KEYS = Keys((GOOD, NEW))
TICK = 0.25
UDP = 17


def way_of(
    station: Station, source: Address, target: Address, *, ip_protocol: int,
    ports: tuple[int, int] = (0, 0),
) -> Route | None:  # fmt: skip
    """Return how a kernel forwards a packet: rule by rule, with the mark that it gets."""
    mark = station.kernel.mark_of(source, target)
    for rule in station.host.rules():
        if (
            rule.source.version == target.version
            and source in rule.source
            and (rule.to is None or target in rule.to)
            and mark & rule.mask == rule.mark
            and rule.ip_protocol in {0, ip_protocol}
            and rule.source_port in {0, ports[0]}
            and rule.port in {0, ports[1]}
        ):
            leading = [r for r in station.host.table(rule.table) if target in r.dst]
            if leading:
                return max(leading, key=lambda route: route.dst.prefixlen)
    return None


@dataclass(slots=True)
class Asked:
    """A direct request that is under way."""

    station: int
    network: Network
    sent: float
    node: Address | None
    """To which node it went straight, None when it took the overlay."""
    is_excused: bool
    """Whether somebody had taken our way away, and the agent could not know yet."""


@dataclass(slots=True)
class Proven:
    """When the last requests were sent that have been answered."""

    at_all: float = -1e9
    straight: dict[Address, float] = field(default_factory=dict)
    """By the node that they went to."""
    excused: float = -1e9


class Air:
    """The network between some stations.

    Args:
        folder: for their files.
        count: how many there are.
        versions: of IP.
    """

    def __init__(self, folder: Path, count: int, versions: tuple[int, ...] = (4,)) -> None:
        self.stations: Sequence[Station] = [
            Station(number, folder, versions) for number in range(count)
        ]
        self.now = 1000.0
        self.cuts: set[tuple[str, int, int]] = set()
        """What does not arrive: what kind of packet, from where, where."""
        self.delay = 0.0
        self.lossy = 0
        """Every so many packets one is lost; 0 for none."""
        self.stranger_answers = False
        """Whether somebody who has no key answers whatever it hears, before anybody else does."""
        self.heard: list[Departed] = []
        self.inspected: set[int] | None = None
        """Whose kernels can be looked into; None for all."""
        self.unnoticed: set[int] = set()
        """Whose ways somebody has taken away, and the agent has not looked since."""
        self._sent = itertools.count(1)
        self._under_way: list[tuple[float, int, int, Departed]] = []
        self._asked: dict[bytes, Asked] = {}
        self._proven: dict[tuple[int, Network], Proven] = {}
        for station in self.stations:
            station.inspect = partial(self.inspect, station)
            station.put_back = partial(self.notice, station)
            self.introduce(station)

    def introduce(self, station: Station) -> None:
        """Let flannel tell a station of all others, where they are now."""
        with station.outside():
            for other in self.stations:
                for version, place in other.places.items():
                    if other is not station:
                        station.learn(place, other.addresses[version])

    def pass_time(self, seconds: float, tick: float = TICK) -> None:
        """Let time pass for all stations."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now += tick
            for station in self.stations:
                if station.now < self.now:  # else a verb of its kernel takes that long
                    station.kernel.advance(self.now - station.now)
                    self.inspect(station)
            for station in self.stations:
                self.arrive()
                if station.now <= self.now + 1e-9:
                    self.turn(station)

    def turn(self, station: Station) -> None:
        """Let one agent do its round, and carry away what it has sent."""
        prover = station.prover
        looked = prover._looked_at if prover else 0.0
        done = station.turn()
        if done and station.prover and self.inspected is None:
            marked = station.host.marked(MARKS)
            assert marked.keys() <= station.prover.peers.proofs().keys(), "it is marked no longer"
        if station.prover and station.prover._looked_at > looked:
            self.notice(station)
        self.carry(station)
        self.inspect(station)

    def notice(self, station: Station) -> None:
        """Let no proof count any more that went astray because of somebody else."""
        self.unnoticed.discard(station.number)
        for (number, _), proven in self._proven.items():
            if number == station.number:
                proven.excused = -1e9
        for asked in self._asked.values():
            if asked.station == station.number:
                asked.is_excused = False

    # ── Packets ──────────────────────────────────────────────────────────────────────────────

    def carry(self, station: Station) -> None:
        """Take away what a station has sent."""
        paths = [HOST, *([station.attached.namespace.path] if station.attached else [])]
        for path in paths:
            for packet in station.kernel.departed(path=path):
                self.heard.append(packet)
                if self.stranger_answers and (asked := read(packet)):
                    self.post(self._lie(asked, packet))
                self._send(station, packet, is_pods=path != HOST)

    def post(self, packet: Departed) -> None:
        """Let a packet come to whoever has its address, by whatever way."""
        for station in self.stations:
            self._deliver(station, packet)

    def arrive(self) -> None:
        """Deliver what has been under way for long enough."""
        while self._under_way and self._under_way[0][0] <= self.now:
            _, _, number, packet = heapq.heappop(self._under_way)
            self._deliver(self.stations[number], packet)

    def at(self, address: Address | None) -> Station | None:
        """Return who has an address on the LAN, and is on the air."""
        for station in self.stations:
            if address in station.addresses.values() and station.link(UPLINK).carrier:
                return station
        return None

    def _lie(self, asked: Echo, packet: Departed) -> Departed:
        """Return what a stranger answers: as good a lie as there can be without a key."""
        there = self.at(packet.target)
        pods = there.attached.addresses if there and there.attached else {}
        word = Word("always", True, pods.get(packet.target.version), "1")  # noqa: FBT003 - wireless
        answer = replace(
            asked, kind=Kind.ANSWER, sender=asked.receiver, receiver=asked.sender, word=word
        )
        return Departed(
            echo.pack(answer, BAD), packet.target, packet.source, packet.source_port, packet.port
        )

    def _send(self, station: Station, packet: Departed, *, is_pods: bool) -> None:
        ports = packet.source_port, packet.port
        way = way_of(station, packet.source, packet.target, ip_protocol=UDP, ports=ports)
        link = station.host.link(way.index) if way else None
        node: Address | None = None
        kind = "node"
        if way and link and link.name == UPLINK:
            node, kind = way.gateway or packet.target, "direct" if is_pods else "node"
        elif way and link and link.name == OVERLAY and way.gateway:
            node, kind = station.behind(way.gateway), "overlay"
        self._note(station, packet, node if kind == "direct" else None)
        there = self.at(node) if station.link(UPLINK).carrier else None
        number = next(self._sent)
        lost = self.lossy and number % self.lossy == 0
        if there and not lost and (kind, station.number, there.number) not in self.cuts:
            entry = (self.now + self.delay, number, there.number, packet)
            heapq.heappush(self._under_way, entry)

    def _deliver(self, station: Station, packet: Departed) -> None:
        attached = station.attached
        if packet.target in station.addresses.values():
            path = HOST
        elif attached and packet.target in attached.addresses.values():
            path = attached.namespace.path
        else:
            return
        if station.kernel.deliver(packet, path=path):
            self._take(station, packet)

    # ── The book ─────────────────────────────────────────────────────────────────────────────

    def _note(self, station: Station, packet: Departed, node: Address | None) -> None:
        message = read(packet)
        if message and message.kind is Kind.REQUEST and message.way is Way.DIRECT:
            network = next(
                place.pods
                for other in self.stations
                for place in other.places.values()
                if packet.target in place.pods
            )
            excused = station.number in self.unnoticed
            self._asked[message.nonce] = Asked(
                station.number, network, station.now, node, excused
            )  # fmt: skip

    def _take(self, station: Station, packet: Departed) -> None:
        message = read(packet)
        asked = self._asked.get(message.nonce) if message else None
        if not (message and asked and message.kind is Kind.ANSWER and message.way is Way.DIRECT):
            return
        if asked.station != station.number:
            return
        proven = self._proven.setdefault((station.number, asked.network), Proven())
        proven.at_all = max(proven.at_all, asked.sent)
        if asked.node:
            before = proven.straight.get(asked.node, -1e9)
            proven.straight[asked.node] = max(before, asked.sent)
        elif asked.is_excused:
            proven.excused = max(proven.excused, asked.sent)

    def inspect(self, station: Station) -> None:
        """Require of one kernel what must be true at any moment."""
        if self.inspected is not None and station.number not in self.inspected:
            return
        oldest = station.now - LIMIT - SHORTEST - 1e-6
        for network in station.host.marked(MARKS):
            proven = self._proven.get((station.number, network), Proven())
            assert proven.at_all > oldest, f"{station.number} marks {network} without a proof"
        for network, node in self.direct(station):
            proven = self._proven.get((station.number, network), Proven())
            newest = max(proven.straight.get(node, -1e9), proven.excused)
            assert newest > oldest, f"{station.number} sends straight to {network} without a proof"
        main = station.host.table(254)
        assert all(route.protocol != 142 for route in main)
        held = {*main, *station.host.table(142), *station.host.rules()}
        assert held >= set(station.foreign)
        assert station.host.has_marking(station.foreign_marking)

    def direct(self, station: Station) -> Iterator[tuple[Network, Address]]:
        """Yield whose pods are reached directly by a station's, and by which node."""
        for other in self.stations:
            for version, place in other.places.items():
                if other is not station:
                    own = station.places[version].pod(5)
                    way = way_of(station, own, place.pod(5), ip_protocol=6, ports=(40000, 80))
                    link = station.host.link(way.index) if way else None
                    if way and link and link.name == UPLINK and way.gateway:
                        yield place.pods, way.gateway


def read(packet: Departed) -> Echo | None:
    """Return what a packet says, if one of us has signed it."""
    unsigned, signature = packet.data[:-SIGNATURE], packet.data[-SIGNATURE:]
    if signature not in {key.sign(unsigned) for key in ALL_KEYS.keys}:
        return None
    try:
        return echo.unpack(packet.data, ALL_KEYS)
    except EchoError:
        return None
