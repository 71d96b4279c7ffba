"""All peers of this node: whom to ask what, and whose pods are reached directly.  Pure.

It knows neither sockets nor routes: messages and proofs come and go as values, and so does
the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cni.agent.hostgw import pairing, path
from cni.agent.hostgw.conversation import Conversation
from cni.agent.hostgw.echo import LEAST, Echo, Kind, Letter, Way, Word
from cni.agent.hostgw.pairing import Own
from cni.agent.hostgw.path import Path, State, Times
from cni.hostgw.terrain import Candidate
from cni.kernel.types import Address, Network

SEEKING = 5.0
"""Seconds between two requests to a node whose pods are not wanted directly (yet), at least."""
COMPARING = 10.0
"""Seconds between two requests over the overlay: to know what is gained."""
WORDS_LOST = 5
"""Requests to a node that may be lost in a row before what its agent has said counts no more."""
NODE_SIZE = 384
"""Octets of a request to a node: enough for what its agent says in an answer of the same length."""
_HEADERS = {4: 28, 6: 48}
"""Octets of IP and UDP."""


class Peer:
    """One peer."""

    def __init__(
        self, candidate: Candidate, talk: Conversation, begun: Path, word_lasts: float
    ) -> None:
        self.candidate = candidate
        self.path = begun
        self.word_lasts = word_lasts
        """Seconds that its agent's word counts."""
        self.talk = talk
        """With its node; several networks of one node share it."""
        self.asked_long = path.NEVER
        """When it was asked last by a request as long as a packet may be."""

    def word(self, now: float) -> Word | None:
        """Return what its agent has said lately."""
        return self.talk.word if now - self.talk.heard <= self.word_lasts else None

    @property
    def cidr(self) -> Network:
        """Its pods' network."""
        return self.candidate.peer.cidr

    @property
    def is_wanted(self) -> bool:
        """Whether nothing forbids a direct path to it."""
        return self.path.state is not State.OVERLAY


class Peers:
    """The peers of this node.

    Args:
        times: how patient to be.
        version: of railcni, for the peers to know.
    """

    def __init__(self, times: Times, version: str) -> None:
        self._times = times
        self._version = version
        self._peers: dict[Network, Peer] = {}
        self._by_node: dict[Address, list[Peer]] = {}
        self._talks: dict[tuple[Address, Address], Conversation] = {}
        """By both nodes' addresses."""
        self._reasons: dict[Network, str] = {}
        self._own = Own()

    # ── What there is ────────────────────────────────────────────────────────────────────────

    @property
    def all(self) -> Mapping[Network, Peer]:
        """Those that may be next door, by their pod network."""
        return self._peers

    @property
    def reasons(self) -> Mapping[Network, str]:
        """Why the others cannot be, in words."""
        return self._reasons

    def see(
        self, candidates: Mapping[Network, Candidate], reasons: Mapping[Network, str], own: Own,
        now: float,
    ) -> None:  # fmt: skip
        """Take notice of a look around.

        Args:
            candidates: who may be next door.
            reasons: why others are not, in words.
            own: this node.
            now: the time.
        """
        self._reasons = dict(reasons)
        self._own = own
        talks = self._talks
        self._talks = {
            nodes: talks.get(nodes) or Conversation(*nodes, self._times.limit)
            for nodes in map(_nodes, candidates.values())
        }
        known = {cidr: self._peers.get(cidr) for cidr in candidates}
        self._peers = {
            cidr: peer if peer and _is_same(peer.candidate, candidates[cidr])
            else self._new(candidates[cidr], peer, now)
            for cidr, peer in known.items()
        }  # fmt: skip
        self._by_node = {}
        for cidr, peer in self._peers.items():
            peer.candidate = candidates[cidr]
            self._by_node.setdefault(peer.talk.peer, []).append(peer)

    def restart(self, cidr: Network, why: str, now: float) -> None:
        """Let no proof of a path count that has been given so far."""
        if peer := self._peers.get(cidr):
            peer.path = path.restart(peer.path, why, now)

    def settle(self, now: float) -> None:
        """Let time pass: what is not proven any more is not direct any more."""
        for talk in self._talks.values():
            talk.expire(now)
        for peer in self._peers.values():
            if self._own.mode == "observe":
                peer.path = path.observe(peer.path, now)
            else:
                peer.path = path.age(peer.path, now, peer.talk.heard, self._times)
            peer.path = path.judge(peer.path, self._obstacle(peer, now), now)

    def proofs(self) -> dict[Network, float]:
        """Return whose pods are reached directly, and until when that is proven."""
        return {
            cidr: peer.path.proof + self._times.limit
            for cidr, peer in self._peers.items()
            if peer.path.state is State.DIRECT
        }

    # ── What is said ─────────────────────────────────────────────────────────────────────────

    def ask(self, now: float) -> Iterator[Letter]:
        """Yield the requests that are due."""
        for peer in self._peers.values():
            for way, period in self._periods(peer, now):
                if peer.talk.is_due(way, now, period):
                    yield self._request(peer, way, now)

    def take(self, echo: Echo, source: Address, now: float) -> Letter | None:
        """Take a message that somebody with our key has signed; return the answer to a request.

        Args:
            echo: the message.
            source: the address of the packet.
            now: the time.
        """
        peer = self._whose(echo, source)
        if peer is None:
            return None
        if echo.kind is Kind.ANSWER:
            self._believe(peer, echo, now)
            return None
        word = peer.word(now)
        if word is None or word.leaving or word.probe is None:
            peer.talk.hurry(now)  # it has just begun, and so may we
        answer = peer.talk.answer(echo, self._word(peer), now)
        own = self._source(peer, echo.way)
        return Letter(answer, own, source, 0) if answer and own else None

    def knows(self, echo: Echo, source: Address) -> bool:
        """Return whether a message is from a peer, for us, and came by the way it says."""
        return self._whose(echo, source) is not None

    def misunderstand(self, source: Address, now: float) -> None:
        """Take notice of a message that is signed with a key that we do not have.

        Anybody can have sent it, so it is only for a person to know.
        """
        for peer in self._by_node.get(source, ()):
            peer.talk.misunderstood = now

    def farewells(self) -> Iterator[Letter]:
        """Yield what tells the peers that this agent ends."""
        first = {id(peer.talk): peer for peer in self._peers.values()}
        for peer in first.values():
            for echo in peer.talk.farewells(self._word(peer, leaving=True)):
                yield Letter(echo, peer.talk.own, peer.talk.peer, 0)

    @property
    def _seeking(self) -> float:
        """Seconds between two requests to a node whose pods are not wanted directly (yet)."""
        return max(SEEKING, self._times.interval)

    def _periods(self, peer: Peer, now: float) -> Iterator[tuple[Way, float]]:
        interval = self._times.interval
        watched = peer.path.state in {State.PROBING, State.DIRECT}
        yield Way.NODE, self._greeting(peer, now) if watched else self._seeking
        if self._obstacle(peer, now):
            return  # at least there would be nowhere to send it to, or from
        if watched:
            yield Way.DIRECT, self._times.pace(now - peer.path.proof)
        observes = self._own.mode == "observe"
        yield Way.OVERLAY, interval if observes else max(COMPARING, interval)

    def _greeting(self, peer: Peer, now: float) -> float:
        """Return how soon to ask the node of a path that is watched again.

        While its pod answers it is asked seldom; when that is missing, it is soon known which of
        them is gone.
        """
        if now - peer.path.proof < 2 * self._times.interval:
            return self._times.limit / 2
        return self._times.pace(now - peer.talk.heard)

    def _obstacle(self, peer: Peer, now: float) -> str:
        """Return in words why a peer is not wanted, empty when it is."""
        word = peer.word(now)
        if word is None and now - peer.talk.misunderstood <= peer.word_lasts:
            return "its agent has another key"
        return pairing.obstacle(peer.candidate, word, self._own)

    def _request(self, peer: Peer, way: Way, now: float) -> Letter:
        if way is Way.NODE:
            return Letter(peer.talk.ask(way, now), peer.talk.own, peer.talk.peer, NODE_SIZE)
        cidr, word = peer.cidr, peer.talk.word
        if word is None or word.probe is None:
            raise AssertionError("who has not said where it is probed is not wanted")
        is_long = way is Way.DIRECT and self._is_long_due(peer, now)
        size = LEAST
        if is_long:
            peer.asked_long = now
            overlay = peer.candidate.peer.overlay.mtu
            size = min(overlay, self._own.mtu or overlay) - _HEADERS[cidr.version]
        echo = peer.talk.ask(way, now, is_long=is_long)
        return Letter(echo, self._own.probes[cidr.version], word.probe, size)

    def _is_long_due(self, peer: Peer, now: float) -> bool:
        """Return whether a long request is due: more often while the last was not answered."""
        often, seldom = 2 * self._times.interval, self._times.long_interval
        is_late = now - peer.path.long_proof > seldom + often
        return now >= peer.asked_long + (often if is_late else seldom)

    def _believe(self, peer: Peer, echo: Echo, now: float) -> None:
        answer = peer.talk.take(echo, now)
        if answer and answer.way is Way.DIRECT:
            peer.path = path.prove(peer.path, answer.sent, is_long=answer.is_long)

    def _whose(self, echo: Echo, source: Address) -> Peer | None:
        """Return the peer that a message is from, if it is for us and came by the way it says."""
        for peer in self._by_node.get(echo.sender, ()):
            came_from = source == echo.sender if echo.way is Way.NODE else source in peer.cidr
            if came_from and echo.receiver == peer.talk.own:
                return peer
        return None

    def _source(self, peer: Peer, way: Way) -> Address | None:
        """Return the address that a message to a peer is sent from."""
        version = peer.cidr.version
        return peer.talk.own if way is Way.NODE else self._own.probes.get(version)

    def _word(self, peer: Peer, *, leaving: bool = False) -> Word:
        probe = self._own.probes.get(peer.cidr.version)
        wireless = self._own.is_wireless(peer.candidate)
        return Word(self._own.mode, wireless, probe, self._version, leaving)

    def _new(self, candidate: Candidate, before: Peer | None, now: float) -> Peer:
        """Return a peer that is new, or not where it was: what was held against it stays."""
        begun = path.begin(now)
        if before:
            begun = Path(State.OVERLAY, "its node is elsewhere now", now, hold=before.path.hold)
        word_lasts = (1 + WORDS_LOST) * self._seeking
        return Peer(candidate, self._talks[_nodes(candidate)], begun, word_lasts)


def _nodes(candidate: Candidate) -> tuple[Address, Address]:
    return candidate.source, candidate.peer.address


def _is_same(one: Candidate, other: Candidate) -> bool:
    """Return whether a path proven to one leads to the other as well."""
    return (one.peer.address, one.uplink.index, one.source) == (
        other.peer.address, other.uplink.index, other.source,
    )  # fmt: skip
