"""Which request is served when: many at once, those of one container one after the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class Job:
    """A request that waits to be served, or is."""

    line: Hashable
    """Requests of one line are served in the order of their arrival; None for no line."""
    serve: Callable[[], None]
    """Serves it; what it raises is its own affair."""
    abandon: Callable[[], None]
    """Called instead of `serve`, where nobody waits for it any more."""
    is_wanted: Callable[[], bool]
    """Tells whether somebody still waits for the outcome."""
    begun: bool = False
    """Or withdrawn."""


class Work:
    """The requests that were taken.

    Args:
        at_once: how many are served at a time.
        waiting: how many more are taken.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._most = at_once + waiting
        self._executor = ThreadPoolExecutor(at_once, thread_name_prefix="request")
        self._changed = threading.Condition()
        self._lines: dict[Hashable, deque[Job]] = {}
        self._taken = 0

    @property
    def is_full(self) -> bool:
        """Whether one more would have to wait for too many others."""
        return self._taken >= self._most

    @property
    def taken(self) -> int:
        """How many requests wait or are being served."""
        return self._taken

    def take(self, job: Job) -> None:
        """Serve a request as soon as it is its turn."""
        with self._changed:
            self._taken += 1
            if job.line is not None:
                line = self._lines.setdefault(job.line, deque())
                line.append(job)
                if len(line) > 1:
                    return  # whoever is before it in the line sees to it
        self._executor.submit(self._do, job)

    def withdraw(self, job: Job) -> bool:
        """Have a request not be served; tell whether it was neither begun nor withdrawn."""
        return self._decide(job)

    def finish(self, within: float) -> bool:
        """Wait until all that was taken is served; tell whether it is.

        Args:
            within: seconds to wait at most.
        """
        with self._changed:
            done = self._changed.wait_for(lambda: not self._taken, within)
        self._executor.shutdown(wait=done, cancel_futures=True)
        return done

    def _do(self, job: Job) -> None:
        try:
            if self._decide(job) and job.is_wanted():
                job.serve()
            else:
                job.abandon()
        finally:
            following = self._leave(job)
            if following:
                self._executor.submit(self._do, following)

    def _decide(self, job: Job) -> bool:
        """Tell whether what becomes of a request was open until now; it is not any more."""
        with self._changed:
            was_open, job.begun = not job.begun, True
        return was_open

    def _leave(self, job: Job) -> Job | None:
        """Note that a request is done; return the next one of its line."""
        with self._changed:
            self._taken -= 1
            self._changed.notify_all()
            if job.line is None:
                return None
            line = self._lines[job.line]
            line.popleft()
            if line:
                return line[0]
            del self._lines[job.line]
            return None
