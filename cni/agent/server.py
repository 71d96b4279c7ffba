"""The agent's socket: one loop that takes calls, and waits for nobody.

Whoever opens a connection and says nothing, half of something, or rubbish, costs a descriptor for a
moment.  Serving is other threads' work; the loop tells their callers meanwhile that it is alive.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cni import wire
from cni.agent.caller import Caller, Stage
from cni.agent.door import Door
from cni.agent.work import Job, Work

log = logging.getLogger(__name__)

_CALLING_PATIENCE = 2.0
"""Seconds for a call to come whole, and for an offer to be answered."""
_ANSWERED_PATIENCE = 10.0
"""Seconds for a reply to be read."""
_MOST_CALLERS = 1024
_OF_ATTACHMENT = frozenset({"ADD", "DEL", "CHECK"})


@dataclass(frozen=True, slots=True)
class Errand:
    """A call that was taken."""

    call: wire.Call
    netns: int
    """Descriptor of the pod's namespace, -1 when it is gone; remains the server's."""
    arrived: int
    """CLOCK_BOOTTIME in nanoseconds when the process said that it goes."""
    waiting: Callable[[], float | None]
    """Tells for how many seconds the process has waited, None when it has gone."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a plugin's process writes, and its exit code."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Service(Protocol):
    """What serves the calls."""

    def refusal(self, call: wire.Call) -> str:
        """Return why a call is its process's own work, empty when it is the agent's."""
        ...

    def serve(self, errand: Errand) -> Reply:
        """Serve a call that was taken."""
        ...

    def refused(self, reason: str) -> None:
        """Note that somebody was sent away."""
        ...

    def late(self, call: wire.Call, waited: float) -> Reply | None:
        """Return the reply to who has waited too long, None while it has not."""
        ...


class Server:
    """Serves the callers of a listening socket.

    Args:
        listener: the socket, which stays its owner's.
        service: serves the calls.
        work: in which order.
        tick: called several times a second, as long as the loop lives; must return at once.
    """

    def __init__(
        self,
        listener: socket.socket,
        service: Service,
        work: Work,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._service = service
        self._work = work
        self._tick = tick
        self._selector = selectors.DefaultSelector()
        self._door = Door(listener, self._selector, service.refused)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._callers: dict[int, Caller] = {}
        self._done: deque[tuple[Caller, bytes]] = deque()
        self._stopping = False

    def stop(self) -> None:
        """Let `run` end when all that was begun is done; may be called by a signal handler."""
        self._stopping = True
        self._ring()

    def run(self) -> None:
        """Serve until `stop`, and those that were told so until they have their reply."""
        self._door.open()
        self._selector.register(self._bell, selectors.EVENT_READ)
        next_beat = 0.0
        while self._door.is_open or self._callers:
            if self._stopping and self._door.is_open:
                self._door.shut()
                self._dismiss()
            for key, _ in self._selector.select(max(next_beat - time.monotonic(), 0)):
                self._attend(key.fd)
            self._answer()
            if time.monotonic() >= next_beat:
                next_beat = time.monotonic() + wire.BEAT
                self._beat()
                self._tick()
                self._door.resume()

    def close(self) -> None:
        """Let go of every caller; after `run`.

        The bell stays: a request that nobody waits for any more may still ring it, and its number
        must not be another file's by then.
        """
        for caller in list(self._callers.values()):
            self._drop(caller)
        self._selector.close()

    def _attend(self, descriptor: int) -> None:
        if descriptor == self._door.fileno():
            self._let_in()
        elif descriptor == self._bell:
            os.eventfd_read(self._bell)
        elif caller := self._callers.get(descriptor):
            self._hear(caller)

    def _let_in(self) -> None:
        for connection in self._door.comers():
            if len(self._callers) >= _MOST_CALLERS:
                self._make_room()
            self._callers[connection.fileno()] = Caller(connection, time.monotonic())
            self._selector.register(connection, selectors.EVENT_READ)

    def _make_room(self) -> None:
        """Send the one away that has been silent for longest."""
        waiting = (c for c in self._callers.values() if c.stage is Stage.CALLING)
        oldest = min(waiting, key=lambda caller: caller.since, default=None)
        if oldest:
            self._service.refused("silent")
            self._drop(oldest)

    def _hear(self, caller: Caller) -> None:
        """Read what a caller says, and go on with it as far as that allows."""
        try:
            caller.flush()
            if caller.stage is Stage.ANSWERED and not caller.has_to_send:
                self._drop(caller)
                return
            caller.receive()
            if caller.call and caller.stage is Stage.CALLING:
                self._offer(caller, caller.call)
            elif caller.call and caller.wants_to_go:
                self._take(caller, caller.call)
        except BlockingIOError:
            return
        except wire.MalformedError as error:
            log.info("a caller was sent away: %s", error)
            self._service.refused("malformed")
            self._drop(caller)
        except OSError:
            self._drop(caller)

    def _offer(self, caller: Caller, call: wire.Call) -> None:
        reason = self._service.refusal(call) or ("full" if self._work.is_full else "")
        if reason or self._stopping:
            self._send_away(caller, reason or "stopping")
            return
        caller.enter(Stage.OFFERED, time.monotonic())
        caller.say(wire.READY)

    def _send_away(self, caller: Caller, reason: str) -> None:
        self._service.refused(reason)
        caller.say(wire.refusal(reason))
        self._drop(caller)

    def _take(self, caller: Caller, call: wire.Call) -> None:
        caller.enter(Stage.SERVED, time.monotonic())
        begun = caller.since

        def waiting() -> float | None:
            return time.monotonic() - begun if caller.is_there else None

        arrived = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        errand = Errand(call, caller.take_netns(), arrived, waiting)

        def serve() -> None:
            answer = b""
            try:
                served = self._service.serve(errand)
                answer = wire.reply(served.exit_code, served.stdout, served.stderr)
            finally:
                abandon()
                self._done.append((caller, answer))
                self._ring()

        def abandon() -> None:
            if errand.netns >= 0:
                os.close(errand.netns)

        job = Job(_line_of(call.environ), serve, abandon, lambda: waiting() is not None)
        caller.job = job
        self._work.take(job)

    def _answer(self) -> None:
        """Send the replies that have come since; where serving broke down there is none."""
        while self._done:
            caller, answer = self._done.popleft()
            if caller.stage is Stage.GONE:
                continue
            try:
                caller.enter(Stage.ANSWERED, time.monotonic())
                caller.say(answer)
            except OSError:
                self._drop(caller)
                continue
            if caller.has_to_send:
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                self._selector.modify(caller.connection, both)
            else:
                self._drop(caller)

    def _beat(self) -> None:
        """Say to those that wait that the agent lives; see whose patience is at an end."""
        now = time.monotonic()
        for caller in list(self._callers.values()):
            try:
                if caller.stage is Stage.SERVED:
                    caller.say(wire.WORKING)
                    self._end_waiting(caller, now - caller.since)
                elif now - caller.since > _PATIENCE[caller.stage]:
                    self._service.refused("silent")
                    self._drop(caller)
            except OSError:
                self._drop(caller)

    def _end_waiting(self, caller: Caller, waited: float) -> None:
        """Answer who has waited for its turn for longer than a request may take."""
        if caller.call and caller.job and not caller.job.begun:
            late = self._service.late(caller.call, waited)
            if late and self._work.withdraw(caller.job):
                self._service.refused("late")
                answer = wire.reply(late.exit_code, late.stdout, late.stderr)
                self._done.append((caller, answer))

    def _dismiss(self) -> None:
        """Send those away that were told nothing yet; who was may be on its way already."""
        for caller in list(self._callers.values()):
            if caller.stage is Stage.CALLING:
                self._drop(caller)

    def _drop(self, caller: Caller) -> None:
        self._callers.pop(caller.connection.fileno(), None)
        self._selector.unregister(caller.connection)
        caller.close()

    def _ring(self) -> None:
        os.eventfd_write(self._bell, 1)


_PATIENCE: Mapping[Stage, float] = {
    Stage.CALLING: _CALLING_PATIENCE,
    Stage.OFFERED: _CALLING_PATIENCE,
    Stage.ANSWERED: _ANSWERED_PATIENCE,
}


def _line_of(environ: Mapping[str, str]) -> str | None:
    """Return what tells requests that must not overtake each other: their container."""
    if environ.get("CNI_COMMAND") not in _OF_ATTACHMENT:
        return None
    return environ.get("CNI_CONTAINERID") or None
