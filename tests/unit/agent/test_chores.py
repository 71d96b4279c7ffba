"""Chores: each goes on whatever it raises, and whatever the others do."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise

import pytest

from cni.agent.chores import Chores
from cni.agent.interface import Chore
from cni.agent.metrics import Metrics
from cni.protocol.errors import CniError, Code

NEVER = 3600.0


class Counted(Metrics):
    """Metrics that a test can read."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: Counter[tuple[str, str]] = Counter()

    def chore(self, name: str, outcome: str, seconds: float) -> None:
        super().chore(name, outcome, seconds)
        self.runs[name, outcome] += 1


@contextmanager
def running(*chores: Chore, metrics: Metrics | None = None, delay: float = 0.0) -> Iterator[Chores]:
    started = Chores(chores, metrics or Metrics(), lambda: delay)
    started.start()
    try:
        yield started
    finally:
        started.stop(5)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_the_period_is_from_the_end_to_the_next_start() -> None:
    spans: list[tuple[float, float]] = []

    def run() -> None:
        began = time.monotonic()
        time.sleep(0.05)
        spans.append((began, time.monotonic()))

    with running(Chore("a", 0.04, run)):
        eventually(lambda: len(spans) >= 3)
    gaps = [after[0] - before[1] for before, after in pairwise(spans)]
    assert min(gaps) >= 0.04


def test_the_first_run_is_spread() -> None:
    ran = threading.Event()
    with running(Chore("a", NEVER, ran.set), delay=0.2):
        assert not ran.wait(0.05)
        assert ran.wait(5)
    with running(Chore("a", NEVER, ran.set)) as chores:
        assert chores.stop(5) == []


def test_what_is_woken_runs_now() -> None:
    runs: list[None] = []
    with running(Chore("a", NEVER, lambda: runs.append(None))) as chores:
        eventually(lambda: len(runs) == 1)
        chores.wake("a")
        eventually(lambda: len(runs) == 2)
        with pytest.raises(KeyError):
            chores.wake("b")


def test_what_is_woken_while_it_runs_runs_once_more() -> None:
    begun, go_on = threading.Semaphore(0), threading.Semaphore(0)

    def run() -> None:
        begun.release()
        assert go_on.acquire(timeout=5)

    with running(Chore("a", NEVER, run)) as chores:
        assert begun.acquire(timeout=5)
        chores.wake("a")
        chores.wake("a")
        go_on.release(2)
        assert begun.acquire(timeout=5)
        assert not begun.acquire(timeout=0.05)  # and only once


def test_what_a_chore_raises_is_logged_when_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    answers = [
        CniError(Code.TRY_AGAIN, "etcd is away"),
        CniError(Code.TRY_AGAIN, "etcd is away"),
        ValueError("a bug"),
        None,
        None,
        ValueError("a bug"),
    ]
    left = iter(answers)
    metrics = Counted()

    def run() -> None:
        answer = next(left, None)
        if answer:
            raise answer

    with caplog.at_level(logging.INFO, "cni.agent"), running(
        Chore("tend", 0.0, run), metrics=metrics
    ):  # fmt: skip
        eventually(lambda: metrics.runs["tend", "done"] > 3)
    assert [record.getMessage() for record in caplog.records] == [
        "tend: etcd is away",
        "tend: ValueError: a bug",
        "tend succeeds again",
        "tend: ValueError: a bug",
        "tend succeeds again",
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [False, True, False, True, False]
    assert metrics.runs["tend", "failed"] == 4


def test_a_hung_chore_holds_up_neither_the_end_nor_others() -> None:
    release, runs = threading.Event(), list[None]()

    def hang() -> None:
        release.wait(10)

    metrics = Metrics()
    with running(
        Chore("hung", 0.0, hang), Chore("a", 0.0, lambda: runs.append(None)), metrics=metrics
    ) as chores:
        metrics.add(chores.figures)
        eventually(lambda: len(runs) > 3)
        eventually(lambda: b'railcni_chore_running_seconds{chore="hung"}' in metrics.page())
        began = time.monotonic()
        assert chores.stop(0.1) == ["hung"]
        assert time.monotonic() - began < 2
        ran = len(runs)
        release.set()
        assert chores.stop(5) == []
        assert len(runs) == ran
    assert b"chore_running_seconds{" not in metrics.page()


def test_the_end_waits_for_what_is_under_way() -> None:
    begun, ended = threading.Event(), threading.Event()

    def run() -> None:
        begun.set()
        time.sleep(0.1)
        ended.set()

    with running(Chore("a", NEVER, run)) as chores:
        assert begun.wait(5)
        assert chores.stop(5) == []
        assert ended.is_set()


def test_a_run_that_takes_its_time_is_interrupted() -> None:
    begun, enough = threading.Event(), threading.Event()
    runs: list[None] = []

    def run() -> None:
        runs.append(None)
        begun.set()
        assert enough.wait(5)

    with running(Chore("a", 0.0, run, enough.set)) as chores:
        assert begun.wait(5)
        began = time.monotonic()
        assert chores.stop(5) == []
        assert time.monotonic() - began < 2
        assert len(runs) == 1


def test_all_are_interrupted_before_any_is_waited_for() -> None:
    done = threading.Barrier(3)
    interrupted = [threading.Event(), threading.Event()]

    def wait(own: threading.Event) -> None:
        own.wait(5)
        done.wait(5)  # until the other has been interrupted, too

    chores = [
        Chore(name, NEVER, partial(wait, own), own.set)
        for name, own in zip("ab", interrupted, strict=True)
    ]
    with running(*chores) as started:
        eventually(lambda: len(next(started.figures()).samples) == 2)
        third = threading.Thread(target=done.wait, args=(5,))
        third.start()
        assert started.stop(5) == []
        third.join()


def test_what_never_began_is_interrupted_as_well() -> None:
    interrupted = threading.Event()
    Chores([Chore("a", NEVER, lambda: None, interrupted.set)], Metrics()).stop(5)
    assert interrupted.is_set()


def test_what_never_began_is_over_at_once() -> None:
    assert Chores([Chore("a", NEVER, lambda: None)], Metrics()).stop(5) == []


def test_a_hung_chore_does_not_keep_the_process() -> None:
    script = """if True:
        import threading
        from cni.agent.chores import Chores
        from cni.agent.interface import Chore
        from cni.agent.metrics import Metrics

        hung = Chore("hung", 1.0, lambda: threading.Event().wait())
        Chores([hung], Metrics(), float).start()
    """
    subprocess.run([sys.executable, "-c", script], check=True, timeout=20)
