"""Nodes that are values, and a network between them that a test can spoil."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from cni.agent.hostgw import echo
from cni.agent.hostgw.echo import EchoError, Kind, Letter, UnknownKeyError, Way
from cni.agent.hostgw.keys import Keys
from cni.agent.hostgw.pairing import Own
from cni.agent.hostgw.path import State, Times
from cni.agent.hostgw.peers import Peer, Peers
from cni.hostgw.terrain import Candidate
from cni.kernel.types import Address, Network
from tests.unit.agent.hostgw.cluster import KEYS

TICK = 0.1


@dataclass(frozen=True, slots=True)
class Sent:
    """One packet."""

    data: bytes
    way: Way
    source: Address
    target: Address


class Node:
    """One agent's `Peers`, with all its addresses."""

    def __init__(self, own: Own, *candidates: Candidate, times: Times | None = None) -> None:
        self.times = times or Times()
        self.peers = Peers(self.times, "1.2.3")
        self.own = own
        self.keys: Keys = KEYS
        self.candidates = {each.peer.cidr: each for each in candidates}
        self.reasons: dict[Network, str] = {}
        self.refused: list[str] = []
        self.hangs = False

    @property
    def addresses(self) -> set[Address]:
        return {c.source for c in self.candidates.values()} | set(self.own.probes.values())

    def look(self, now: float) -> None:
        self.peers.see(self.candidates, self.reasons, self.own, now)

    def peer(self, cidr: str) -> Peer:
        return self.peers.all[ip_network(cidr)]

    def state(self, cidr: str) -> State:
        return self.peer(cidr).path.state

    def take(self, sent: Sent, now: float) -> Letter | None:
        try:
            message = echo.unpack(sent.data, self.keys)
        except EchoError as error:
            self.refused.append(str(error))
            if isinstance(error, UnknownKeyError):
                self.peers.misunderstand(sent.source, now)
            return None
        return self.peers.take(message, sent.source, now)


@dataclass(slots=True)
class Lan:
    """The network: it loses what `loses` says, and delivers all else after `delay`."""

    nodes: Mapping[str, Node]
    now: float = 1000.0
    loses: Callable[[Sent], bool] = lambda _: False
    delay: Callable[[Sent], float] = lambda _: 0.01
    record: list[Sent] = field(default_factory=list)
    _under_way: list[tuple[float, int, Sent]] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def run(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Let time pass; every tick all nodes do what they do in a turn."""
        self._begin()
        end = self.now + seconds
        while self.now < end:
            self.now += TICK
            while self._under_way and self._under_way[0][0] <= self.now:
                self._deliver(heapq.heappop(self._under_way)[2])
            for node in self.nodes.values():
                if not node.hangs:
                    for letter in node.peers.ask(self.now):
                        self.send(node, letter)
                    node.peers.settle(self.now)
            each()

    def send(self, node: Node, letter: Letter, most: int = 0) -> None:
        data = echo.pack(letter.echo, node.keys.own, most or letter.size)
        assert not most or len(data) == most, "an answer is as long as its request"
        self.post(Sent(data, letter.echo.way, letter.source, letter.target))

    def post(self, sent: Sent) -> None:
        """Let a packet be sent, by whomever."""
        self.record.append(sent)
        if not self.loses(sent):
            arrival = self.now + self.delay(sent)
            heapq.heappush(self._under_way, (arrival, next(self._numbers), sent))

    def until(self, holds: Callable[[], bool], within: float) -> float:
        """Let time pass until something holds; return how long that took."""
        self._begin()
        began = self.now
        while not holds():
            assert self.now - began < within, {n: e.peers.all for n, e in self.nodes.items()}
            self.run(TICK)
        return self.now - began

    def _begin(self) -> None:
        for node in self.nodes.values():
            if not node.peers.all:
                node.look(self.now)

    def _deliver(self, sent: Sent) -> None:
        for node in self.nodes.values():
            if sent.target in node.addresses and not node.hangs:
                answer = node.take(sent, self.now)
                if answer:
                    assert answer.echo.kind is Kind.ANSWER
                    self.send(node, answer, len(sent.data))
