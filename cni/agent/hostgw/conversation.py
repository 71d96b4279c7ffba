"""What one peer was asked, and what it has answered.  Pure but for the random numbers."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass

from cni.agent.hostgw.echo import NONCE, Echo, Kind, Way, Word
from cni.agent.hostgw.measuring import Measured
from cni.agent.hostgw.path import NEVER
from cni.kernel.types import Address

_BURST = 40.0
_RATE = 20.0
"""Answers a second that a peer gets, after a burst: enough for three ways at the least interval."""
_ANSWERED = 3
"""Of a node's requests, the last ones, which a goodbye answers again."""
_GREETING = 1.0
"""Seconds between two requests to a node, at least, however often it asks."""


@dataclass(slots=True)
class _Asked:
    way: Way
    sent: float
    is_long: bool
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that counts."""

    way: Way
    sent: float
    """When its request was sent."""
    is_long: bool
    """Whether both were as long as a packet may be."""


class Conversation:
    """The requests and answers between this node and a peer's.

    Args:
        own: this node's address, as the peer knows it.
        peer: the peer's.
        patience: seconds that an answer may take.
    """

    def __init__(self, own: Address, peer: Address, patience: float) -> None:
        self.own = own
        self.peer = peer
        self.word: Word | None = None
        """What the peer has said last."""
        self.heard = NEVER
        """When the last request from node to node was sent that was answered."""
        self.misunderstood = NEVER
        """When something came from the node that is signed with a key that we do not have."""
        self.measured = {way: Measured() for way in Way}
        self._patience = patience
        self._asked: dict[bytes, _Asked] = {}
        self._asked_at = dict.fromkeys(Way, NEVER)
        self._last_requests: deque[bytes] = deque(maxlen=_ANSWERED)
        self._allowance, self._allowed_at = _BURST, NEVER

    def is_due(self, way: Way, now: float, period: float) -> bool:
        """Return whether so many seconds have passed since a way was asked last."""
        return now >= self._asked_at[way] + period

    def ask(self, way: Way, now: float, *, is_long: bool = False) -> Echo:
        """Return a new request."""
        self._asked_at[way] = now
        nonce = os.urandom(NONCE)
        self._asked[nonce] = _Asked(way, now, is_long)
        return Echo(Kind.REQUEST, way, nonce, self.own, self.peer)

    def hurry(self, now: float) -> None:
        """Have the node asked again at once, unless that has just been done."""
        if self.is_due(Way.NODE, now, _GREETING):
            self._asked_at[Way.NODE] = NEVER

    def answer(self, request: Echo, word: Word, now: float) -> Echo | None:
        """Return the answer to a peer's request; None when it asks too often."""
        if not self._allow(now):
            return None
        said = None
        if request.way is Way.NODE:
            self._last_requests.append(request.nonce)
            said = word
        return Echo(Kind.ANSWER, request.way, request.nonce, self.own, self.peer, said)

    def farewells(self, word: Word) -> list[Echo]:
        """Return what tells the peer that we leave: a second answer to each of its last requests.

        There are several, for one of them may be lost.
        """
        nonces = self._last_requests
        return [Echo(Kind.ANSWER, Way.NODE, each, self.own, self.peer, word) for each in nonces]

    def take(self, answer: Echo, now: float) -> Answer | None:
        """Take a peer's answer; return None for one that counts for nothing."""
        asked = self._asked.get(answer.nonce)
        if asked is None or asked.way is not answer.way or now - asked.sent >= self._patience:
            return None
        leaving = answer.word is not None and answer.word.leaving
        if asked.answered and not leaving:
            return None
        if answer.way is Way.NODE:
            self.word, self.heard = answer.word, max(self.heard, asked.sent)
        if not asked.answered:
            self.measured[asked.way].answered(now - asked.sent)
        asked.answered = True
        return Answer(asked.way, asked.sent, asked.is_long)

    def expire(self, now: float) -> None:
        """Give up what was not answered in time."""
        for nonce, asked in list(self._asked.items()):
            if now - asked.sent < self._patience:
                break  # they are in the order of their sending
            del self._asked[nonce]
            if not asked.answered:
                self.measured[asked.way].lost()

    def _allow(self, now: float) -> bool:
        if self._allowed_at != NEVER:
            earned = (now - self._allowed_at) * _RATE
            self._allowance = min(self._allowance + earned, _BURST)
        self._allowed_at = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
