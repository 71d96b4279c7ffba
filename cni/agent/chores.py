"""What is done again and again: each chore in a thread of its own, and none waits for another."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from cni.agent.interface import Chore, Family
from cni.protocol.errors import CniError

if TYPE_CHECKING:
    from cni.agent.metrics import Metrics

log = logging.getLogger(__name__)

_SPREAD = 1.0
"""Seconds among which the first runs are spread."""


def _spread() -> float:
    return random.uniform(0, _SPREAD)  # noqa: S311 - spreads the chores, no secret


class Chores:
    """The chores of an agent.

    Args:
        chores: with names that differ.
        metrics: counts their runs.
        delay: tells how long the first run of one waits.
    """

    def __init__(
        self, chores: Iterable[Chore], metrics: Metrics, delay: Callable[[], float] = _spread
    ) -> None:
        self._rounds = {chore.name: _Rounds(chore, metrics, delay()) for chore in chores}

    def start(self) -> None:
        """Begin."""
        for rounds in self._rounds.values():
            rounds.thread.start()

    def wake(self, name: str) -> None:
        """Have a chore run now; once more, when it runs just now (KeyError)."""
        self._rounds[name].wake()

    def stop(self, within: float) -> list[str]:
        """Begin no more runs, wait some seconds for those under way; return whose still are."""
        for rounds in self._rounds.values():
            rounds.stop()
        deadline = time.monotonic() + within
        for rounds in self._rounds.values():
            if rounds.thread.ident:  # it has been started
                rounds.thread.join(max(deadline - time.monotonic(), 0))
        return [name for name, rounds in self._rounds.items() if rounds.thread.is_alive()]

    def figures(self) -> Iterator[Family]:
        """Tell how long each run that is under way has taken: so a hung chore shows."""
        now = time.monotonic()
        took: dict[tuple[str, ...], float] = {}
        for name, rounds in self._rounds.items():
            began = rounds.began
            if began is not None:
                took[name,] = now - began
        yield Family.of(
            "chore_running_seconds", "Time that a run under way has taken", took, "chore"
        )


class _Rounds:
    """The thread that runs one chore."""

    def __init__(self, chore: Chore, metrics: Metrics, delay: float) -> None:
        self.thread = threading.Thread(target=self._go_round, name=chore.name, daemon=True)
        self.began: float | None = None
        """When the run that is under way did."""
        self._chore = chore
        self._metrics = metrics
        self._delay = delay
        self._woken = threading.Event()
        self._stopped = False
        self._problem = ""

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self._stopped = True
        self._woken.set()
        self._chore.interrupt()

    def _go_round(self) -> None:
        self._woken.wait(self._delay)
        while not self._stopped:
            self._woken.clear()
            if not self._stopped:  # which may have come just before the clearing
                self._run()
                self._woken.wait(self._chore.period)

    def _run(self) -> None:
        self.began = began = time.monotonic()
        error: Exception | None = None
        try:
            self._chore.run()
        except Exception as caught:  # noqa: BLE001 - it is called again
            error = caught
        self.began = None
        outcome = "failed" if error else "done"
        self._metrics.chore(self._chore.name, outcome, time.monotonic() - began)
        self._note(error)

    def _note(self, error: Exception | None) -> None:
        """Log what has changed since the last run."""
        problem = f"{type(error).__name__}: {error}" if error else ""
        if problem == self._problem:
            return
        self._problem = problem
        fields = {"chore": self._chore.name}
        if error is None:
            log.info("%s succeeds again", self._chore.name, extra={"fields": fields})
        elif isinstance(error, CniError | OSError):  # which is in the way, in words
            log.warning("%s: %s", self._chore.name, error, extra={"fields": fields})
        else:
            log.error("%s: %s", self._chore.name, problem, exc_info=error, extra={"fields": fields})
