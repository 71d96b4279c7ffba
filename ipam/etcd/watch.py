"""Following keys over streams that break: what is delivered, and where the next stream begins.

A revision counts as delivered when all its events are: etcd sends a long one in fragments, and says
of each whether more follow.  What a stream that breaks has left in fragments is asked for again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from ipam.etcd import calls, messages
from ipam.etcd.channel import Stream
from ipam.etcd.errors import CompactedError
from ipam.etcd.failures import Remedy, StatusError, judge
from ipam.etcd.interface import Batch, Event, Keys
from ipam.etcd.members import Members
from ipam.etcd.messages import Notice
from ipam.etcd.rotation import attempt_seconds, pause_seconds

_LOOK_ABOUT = 5.0
"""Seconds after which an empty batch is delivered."""
_QUIET = 2.0
"""Seconds of silence after which a member is asked whether it is there."""
_ANSWER = 2.0
"""Seconds for its answer, doubled when none has answered: some first send what is behind."""


class Assembly:
    """What was delivered, and the events of a revision that is not whole yet."""

    def __init__(self, after: int) -> None:
        self.delivered = after
        """All events up to this revision were."""
        self._partial: list[Event] = []

    @property
    def start(self) -> int:
        """The revision to ask for: one that was delivered.

        etcd before 3.6 loses, without a word, a deletion in the very revision that it was compacted
        at; so it must be asked for history that is gone in that case, to say so.
        """
        return max(self.delivered, 1)

    def restart(self) -> None:
        """Begin a new stream, after what was delivered."""
        self._partial.clear()

    def add(self, notice: Notice) -> Batch | None:
        """Take what etcd said; return what can be delivered now."""
        self._partial.extend(
            event for event in notice.events if event.entry.mod_revision > self.delivered
        )
        if notice.partial or notice.created:
            return None
        if self._partial:
            events = tuple(self._partial)
            self._partial.clear()
            # Not the store's revision: a watch that catches up is behind it.
            self.delivered = events[-1].entry.mod_revision
            return Batch(events, self.delivered)
        if notice.own and notice.revision > self.delivered:
            self.delivered = notice.revision
            return Batch((), self.delivered)
        return None


class Watch:
    """A watch, for one thread."""

    def __init__(self, members: Members, keys: Keys, after: int) -> None:
        self._members = members
        self._keys = keys
        self._about = f"watching {messages.describe(keys)}"
        self._assembly = Assembly(after)
        self._stream: Stream | None = None
        self._place = 0
        self._token = ""
        self._refused: str | None = None
        """The token with which the watch was refused, perhaps because it has expired."""
        self._failures = 0
        self._pause_until = 0.0
        self._silent_since = 0.0
        self._answer_by: float | None = None

    def batches(self) -> Iterator[Batch]:
        """Yield what comes, without end (CompactedError, DeniedError, RefusedError)."""
        while True:
            yield self._next(time.monotonic() + _LOOK_ABOUT)

    def close(self) -> None:
        """End the stream."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _next(self, end: float) -> Batch:
        while time.monotonic() < end:
            try:
                stream = self._stream or self._open(end)
                batch = self._receive(stream, end) if stream else None
            except StatusError as error:
                self._failed(error)
            else:
                if batch is not None:
                    return batch
        return Batch((), self._assembly.delivered)

    def _open(self, end: float) -> Stream | None:
        """Open a stream, unless it is not yet time to."""
        pause = min(self._pause_until, end) - time.monotonic()
        if pause > 0:
            time.sleep(pause)
            return None
        self._place = self._members.rotation.current
        self._answer_by = time.monotonic() + self._seconds(self._members.settings.attempt)
        self._token = self._members.token(self._place, self._answer_by, instead_of=self._refused)
        self._stream = self._members.stream(self._place, calls.WATCH, self._token)
        self._assembly.restart()
        self._stream.send(messages.watch(self._keys, self._assembly.start))
        return self._stream

    def _receive(self, stream: Stream, end: float) -> Batch | None:
        """Wait for a message, at most until something is to be done."""
        until = self._answer_by or self._silent_since + _QUIET
        data = stream.receive(min(until, end) - time.monotonic())
        now = time.monotonic()
        if data is not None:
            self._silent_since, self._answer_by = now, None
            return self._take(messages.notice(data))
        if now >= until:
            if self._answer_by is not None:
                raise StatusError("DEADLINE_EXCEEDED", "nothing came")
            stream.send(messages.progress())
            self._answer_by = now + self._seconds(_ANSWER)
        return None

    def _take(self, notice: Notice) -> Batch | None:
        if notice.compacted:
            raise CompactedError(
                f"etcd has thrown away history after revision {self._assembly.delivered} that "
                f"{self._about} needs: there is none before revision {notice.compacted}",
                notice.compacted,
            )
        if notice.canceled:
            denied = "permission denied" in notice.reason
            raise StatusError("PERMISSION_DENIED" if denied else "CANCELLED", notice.reason)
        if notice.created:
            self._refused = None
        else:
            self._failures = 0
        return self._assembly.add(notice)

    def _failed(self, error: StatusError) -> None:
        """Go on elsewhere or later, or raise the error that would be everywhere."""
        self.close()
        # Some versions say of a token that has expired that permission is denied.
        login = error.status == "PERMISSION_DENIED" or judge(error, self._about) is Remedy.LOGIN
        if login and self._members.settings.user_file is not None and self._refused is None:
            self._refused = self._token
            return
        self._members.left(self._place, error, self._about)
        self._refused = None
        self._failures += 1
        endpoints = len(self._members.endpoints)
        chance = random.random()  # noqa: S311  # spreads nodes, no secret
        pause = pause_seconds(failures=self._failures, endpoints=endpoints, chance=chance)
        self._pause_until = time.monotonic() + pause

    def _seconds(self, first: float) -> float:
        return attempt_seconds(
            first, 30.0, failures=self._failures, endpoints=len(self._members.endpoints)
        )
