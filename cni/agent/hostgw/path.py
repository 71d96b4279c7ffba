"""Whether pods of a peer are reached directly: OVERLAY → PROBING → DIRECT → HOLDDOWN.  Pure.

Times are seconds on one clock that never goes back and counts a suspended machine's sleep as well.
A proof is as old as the sending of the request that was answered, not as its answer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

NEVER = -math.inf
_QUICKEST = 0.2
"""Seconds between two requests, at least."""


class State(Enum):
    """Where a path is."""

    OVERLAY = "overlay"
    """Something forbids the direct path, or nobody wants it."""
    PROBING = "probing"
    """The direct path is watched until it has been clean long enough."""
    DIRECT = "direct"
    HOLDDOWN = "holddown"
    """It has failed while the node answered: it is left alone for a time."""


@dataclass(frozen=True, slots=True)
class Times:
    """How patient a node is; all in seconds."""

    interval: float = 1.0
    """Between two requests on a way that is being proven."""
    up: float = 20.0
    """That a path must have been clean before it is used."""
    limit: float = 4.0
    """That a proof counts."""
    hold: float = 30.0
    """The first time that a path which has failed is left alone; doubled each time after."""
    longest_hold: float = 600.0
    """Also what a path must have been direct for, that its failures are forgotten."""

    @property
    def long_interval(self) -> float:
        """Between two requests as long as a packet may be."""
        return 10 * self.interval

    @property
    def long_limit(self) -> float:
        """That a long proof counts: several may be lost, a path's MTU changes seldom."""
        return 4 * self.long_interval + self.limit

    def pace(self, unanswered: float) -> float:
        """Return how soon to ask again on a way that is being proven.

        While an answer is missing that used to come, it is asked more often: then it takes many
        losses in a row to mistake a way that loses some packets for one that is gone.

        Args:
            unanswered: seconds since the last request was sent that was answered.
        """
        is_missing = 2 * self.interval <= unanswered < 2 * self.limit
        return max(self.interval / 4, _QUICKEST) if is_missing else self.interval

    @property
    def hole(self) -> float:
        """The age of a proof from which on a path is not clean."""
        return self.limit - self.interval

    @property
    def silence(self) -> float:
        """The age of a node's last answer from which on the node counts as silent.

        It is shorter than the limit: node and path are asked at different moments of an interval,
        and when both have gone at once, it is the node that has.
        """
        return self.limit - 1.5 * self.interval


@dataclass(frozen=True, slots=True)
class Path:
    """One path to one peer."""

    state: State
    why: str
    """In words, for a person."""
    since: float
    begun: float = NEVER
    """A request that was sent before that proves nothing: it went another way."""
    proof: float = NEVER
    """When the last request on it was sent that was answered."""
    long_proof: float = NEVER
    """The same of requests as long as a packet may be."""
    clean: float | None = None
    """Since when there was no hole, while it is probed."""
    until: float = NEVER
    """The end of the hold-down."""
    hold: float = 0.0
    """The last hold-down; 0 before the first."""


def begin(now: float) -> Path:
    """Return the path to a peer that has just been seen."""
    return Path(State.OVERLAY, "nothing is known of it yet", now)


def judge(path: Path, obstacle: str, now: float) -> Path:
    """Return the path after a look at whether it may be direct at all.

    Args:
        path: before.
        obstacle: in words what forbids it; empty for nothing.
        now: the time.
    """
    if not obstacle:
        return path if path.state is not State.OVERLAY else _probing(path, now, "not proven yet")
    if path.state is State.HOLDDOWN:
        return path  # which forbids it as well
    if path.state is State.OVERLAY:
        return path if path.why == obstacle else replace(path, why=obstacle)
    return Path(State.OVERLAY, obstacle, now, hold=path.hold)


def restart(path: Path, why: str, now: float) -> Path:
    """Return a path whose proofs count no more: it is another one now, under the same name."""
    if path.state in {State.PROBING, State.DIRECT}:
        return _probing(path, now, why)
    return path


def prove(path: Path, sent: float, *, is_long: bool) -> Path:
    """Return the path after an answer.

    Args:
        path: before.
        sent: when the request was sent.
        is_long: whether it was as long as a packet may be.
    """
    if path.state not in {State.PROBING, State.DIRECT} or sent < path.begun:
        return path
    proof = max(path.proof, sent)
    clean = path.clean
    if path.state is State.PROBING and clean is None:
        clean = proof
    long_proof = max(path.long_proof, sent) if is_long else path.long_proof
    return replace(path, proof=proof, clean=clean, long_proof=long_proof)


def age(path: Path, now: float, heard: float, times: Times) -> Path:
    """Return the path as time has made it.

    Args:
        path: before.
        now: the time.
        heard: when the last request to the node itself was sent that was answered.
        times: how patient to be.
    """
    if path.state is State.HOLDDOWN and now >= path.until:
        return _probing(path, now, "held down long enough")
    if path.state is State.PROBING:
        return _age_probing(path, now, times)
    if path.state is State.DIRECT:
        return _age_direct(path, now, heard, times)
    return path


def observe(path: Path, now: float) -> Path:
    """Return the path where none is used: it is probed, whatever becomes of it."""
    if path.state in {State.DIRECT, State.HOLDDOWN}:
        return _probing(path, now, "paths are only observed")
    return path


def _age_probing(path: Path, now: float, times: Times) -> Path:
    if path.clean is None:
        return path
    if now - path.proof > times.hole:
        return replace(path, clean=None, why="answers are missing")
    if now - path.clean < times.up:
        return path
    if now - path.long_proof >= times.long_limit:
        why = "short packets arrive, and long ones do not: a smaller MTU on the way?"
        return path if path.why == why else replace(path, why=why)
    return replace(path, state=State.DIRECT, why="proven", since=now, clean=None)


def _age_direct(path: Path, now: float, heard: float, times: Times) -> Path:
    if now - path.proof >= times.limit:
        if now - heard >= times.silence:
            return _probing(path, now, "its node is silent")
        return _held_down(path, now, "the direct path was silent, and its node was not", times)
    if now - path.long_proof >= times.long_limit:
        return _held_down(path, now, "long packets have stopped to arrive", times)
    lasting = path.hold and now - path.since >= times.longest_hold
    return replace(path, hold=0.0) if lasting else path


def _held_down(path: Path, now: float, why: str, times: Times) -> Path:
    hold = min(2 * path.hold, times.longest_hold) if path.hold else times.hold
    return Path(State.HOLDDOWN, why, now, until=now + hold, hold=hold)


def _probing(path: Path, now: float, why: str) -> Path:
    return Path(State.PROBING, why, now, begun=now, hold=path.hold)
