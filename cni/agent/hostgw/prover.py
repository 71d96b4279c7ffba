"""The round of it: look, ask, hear, decide and mark, again and again, in one thread."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from selectors import EVENT_READ, DefaultSelector
from threading import Event

from cni import __version__
from cni.agent.hostgw import table
from cni.agent.hostgw.echo import Way
from cni.agent.hostgw.guard import Guard
from cni.agent.hostgw.keeper import AGAIN, Keeper
from cni.agent.hostgw.keys import Keys
from cni.agent.hostgw.pairing import Own
from cni.agent.hostgw.path import State
from cni.agent.hostgw.peers import Peers
from cni.agent.hostgw.post import Post
from cni.agent.hostgw.probe import Attached
from cni.agent.hostgw.settings import HostgwSettings, Mode
from cni.agent.hostgw.sockets import Sockets
from cni.hostgw.node import Node
from cni.hostgw.prospect import Prospect, look_around
from cni.hostgw.uplink import radios
from cni.kernel.types import KernelError, Network
from cni.kernel.watching import Watch
from cni.protocol.errors import CniError

log = logging.getLogger(__name__)

_SLICE = 10.0
"""Seconds of one run."""
_FINEST = 0.1
"""Seconds between two decisions, at most."""
_COARSEST = 0.5
"""The same while no direct path is wanted."""
_AFTER_A_FAILURE = 1.0
"""Seconds until the next run."""
_PERIOD = 10.0
"""Seconds after which it is looked even if nothing is new."""
_SETTLING = 0.05
"""Seconds from the first news to the look: the rest of it comes right after."""
_SPACING = 0.5
"""Seconds from one look to the next at least: on a node pods come and go."""
_SHARE = 5
"""A look that took so long is not repeated before so many times as long."""


class Prover:
    """Proves the paths of one node.

    Args:
        node: where.
        settings: what the operator has said.
        keys: reads the keys as they are now (CniError).
        attached: tells which pod of its own there is to prove from, and else why there is none.
    """

    def __init__(
        self,
        node: Node,
        settings: HostgwSettings,
        keys: Callable[[], Keys],
        attached: Callable[[], tuple[Attached | None, str]],
    ) -> None:
        self._node = node
        self._settings = settings
        self._read_attached = attached
        self._ended = Event()
        self._has_left = False
        self._open = ExitStack()
        self._selector = self._open.enter_context(DefaultSelector())
        self._watch: Watch | None = None
        self._own = Own()
        self._wanted: frozenset[Network] = frozenset()
        self._look_at, self._looked_at, self._look_took = 0.0, 0.0, 0.0
        self._states: dict[Network, State] = {}
        self._tick = min(_FINEST, settings.interval / 10)
        self.prospect = Prospect()
        """What the last look has found."""
        self.failure = ""
        """Why the last turn was not ended, in words: then nothing is asked, answered or marked."""
        self.keeper = Keeper(node, settings.table)
        self.guard = Guard(node.kernel.host, is_wanted=settings.spoof_guard)
        self.peers = Peers(settings.times, __version__)
        self.post = Post(Sockets(node.kernel.host, settings, self._selector), self.peers, keys)
        self.switches = Counter[tuple[Network, State]]()
        """Changes of a path's state, by its peer and the new one."""

    @property
    def impairments(self) -> list[str]:
        """Why no path can be proven, or none used that is, in words."""
        keeper = self.keeper
        found = (
            self.failure, self.post.problem, self.prospect.refusal, self.post.sockets.problem,
            keeper.cannot_mark, keeper.problem, self.guard.problem,
        )  # fmt: skip
        return list(filter(None, found))

    @property
    def mode(self) -> Mode:
        """What is done, which may be less than what the operator wants."""
        return "observe" if self.keeper.cannot_mark else self._settings.mode

    def now(self) -> float:
        """Return seconds since the boot, suspended time included."""
        return self._node.kernel.uptime() / 1e9

    def run(self) -> None:
        """Prove paths for some seconds, or until it is interrupted.

        Raises:
            OSError, CniError: something was refused; what is marked expires, and it may be called
                again.
        """
        try:
            until = self.now() + _SLICE
            while not self._ended.is_set() and self.now() < until:
                self.turn()
                self._hear(self.now() + self._pause)
        except (CniError, OSError):
            self._look_at = 0.0
            self._hear(self.now() + _AFTER_A_FAILURE)  # peers prove their paths all the same
            raise
        except BaseException:
            self._ended.wait(_AFTER_A_FAILURE)  # else a defect would keep the processor busy
            raise
        finally:
            if self._ended.is_set():
                self._leave()

    def interrupt(self) -> None:
        """Let `run` return soon; it is not called again."""
        self._ended.set()

    def look_soon(self) -> None:
        """Look around as soon as may be."""
        self._look_at = 0.0

    def close(self) -> None:
        """Send nothing straight any more, say goodbye, and take everything back."""
        try:
            self._leave()
        finally:
            self.post.sockets.close()
            self._open.close()

    def _leave(self) -> None:
        """Leave, unless that is done: in the round's own thread, which nobody holds up."""
        if self._watch is None or self._has_left:  # else nothing of ours is there
            return
        self._has_left = True
        try:
            self.keeper.remove_marks()
            for letter in self.peers.farewells():
                self.post.send(letter, self.now())
            self.guard.withdraw()
            self.keeper.withdraw()
        except (CniError, KernelError) as error:
            log.warning("routes and rules stay, which nothing is marked for: %s", error)

    @property
    def _pause(self) -> float:
        """Seconds until the next turn: where nobody is wanted there is less to decide."""
        return self._tick if self._wanted else _COARSEST

    # ── One turn ─────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        if self._watch is None:
            self.guard.withdraw()
            self.keeper.withdraw()  # what an agent before has left is proven by nobody
            watch = self._open.enter_context(self._node.kernel.host.watch())
            self._selector.register(watch, EVENT_READ, None)
            self._watch = watch

    def turn(self) -> None:
        """Do what is due, and wait for nothing (OSError, CniError: `failure` says so too)."""
        try:
            self._turn()
        except (CniError, OSError) as error:
            self.failure = f"nothing is proven just now: {error}"
            self.peers.settle(self.now())  # what is marked expires, and is shown as that
            raise
        self.failure = ""

    def _turn(self) -> None:
        self._begin()
        now = self.now()
        if now >= max(self._look_at, self._looked_at + max(_SPACING, _SHARE * self._look_took)):
            self._look(now)
        for letter in self.peers.ask(now):
            self.post.send(letter, self.now())
        self._settle(self.now())  # a look may take its time

    def _look(self, now: float) -> None:
        self._look_at, self._looked_at = now + _PERIOD, now
        self.post.renew_keys()
        self.prospect = seen = look_around(self._node.kernel.host, self._settings)
        attached, no_probe = self._read_attached()
        uplinks = {each.uplink.name for each in seen.candidates}
        wireless = radios(uplinks, self._settings.uplink.wireless, self._node.sysfs)
        probes, mtu = (attached.addresses, attached.mtu) if attached else ({}, 0)
        networks = attached.networks if attached else frozenset()
        self._own = Own(self.mode, wireless, probes, no_probe, mtu, networks)
        candidates = {each.peer.cidr: each for each in seen.candidates}
        self.peers.see(candidates, {**seen.distant, **seen.refused}, self._own, now)
        self.peers.settle(self.now())
        self._keep(self.now())
        self.post.sockets.follow({each.source for each in seen.candidates}, attached)
        self._look_took = self.now() - now

    def _keep(self, now: float) -> None:
        self._mark()  # no mark may outlast what it was proven of
        wanted = [peer.candidate for peer in self.peers.all.values() if peer.is_wanted]
        self._wanted = frozenset(candidate.peer.cidr for candidate in wanted)
        self.guard.renew(wanted)
        plan = table.plan(
            wanted, self.prospect.known, self._own.probes, self._own.networks, self._settings
        )
        for network in self.keeper.keep(plan, self.prospect.candidates, now):
            self.peers.restart(network, "its direct way has just been made", self.now())
        if self.keeper.missing:
            self._look_at = min(self._look_at, now + AGAIN)

    def _settle(self, now: float) -> None:
        for network in self.keeper.missing:  # echoes to there have taken the overlay
            self.peers.restart(network, "its direct way could not be made", now)
        self.peers.settle(now)
        if frozenset(c for c, peer in self.peers.all.items() if peer.is_wanted) != self._wanted:
            self._keep(now)
        self._mark()
        self._tell()

    def _mark(self) -> None:
        now = self.now()
        fresh = {network: until for network, until in self.peers.proofs().items() if until > now}
        if not self.keeper.mark(fresh, now):
            self._look_at = now

    def _hear(self, until: float) -> None:
        """Take what comes until the next turn."""
        while (left := until - self.now()) > 0 and not self._ended.is_set():
            for ready, _ in self._selector.select(left):
                if ready.data is None:
                    self._take_news()
                else:
                    self.receive(ready.data)

    def _take_news(self) -> None:
        if self._watch and self._watch.read():
            self._look_at = min(self._look_at, self.now() + _SETTLING)

    def receive(self, way: Way) -> None:
        """Take what has come on a way."""
        self.post.receive(way, self.now())

    def _tell(self) -> None:
        """Log and count the changes since the last time."""
        states = {cidr: peer.path.state for cidr, peer in self.peers.all.items()}
        for cidr, state in states.items():
            if self._states.get(cidr, State.OVERLAY) is not state:
                self.switches[cidr, state] += 1
                peer = self.peers.all[cidr]
                log.info("%s at %s: %s, %s", cidr, peer.talk.peer, state.value, peer.path.why)
        for cidr in self._states.keys() - states.keys():
            if self._states[cidr] is not State.OVERLAY:
                self.switches[cidr, State.OVERLAY] += 1
                why = self.peers.reasons.get(cidr, "it is no peer any more")
                log.info("%s: %s, %s", cidr, State.OVERLAY.value, why)
        self._states = states
