"""Which request is served when."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from cni.agent.work import Job, Work

PATIENCE = 10.0


class Served:
    """Jobs that write down their turn, and wait at a gate when they are told to."""

    def __init__(self) -> None:
        self.turns: list[str] = []
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)

    def job(
        self, name: str, line: str | None = None, *, waits: bool = False, wanted: bool = True
    ) -> Job:
        return Job(line, self._serve(name, waits=waits), self._note(f"-{name}"), lambda: wanted)

    def _serve(self, name: str, *, waits: bool) -> Callable[[], None]:
        def serve() -> None:
            self.begun.release()
            if waits:
                assert self.gate.wait(PATIENCE)
            self.turns.append(name)

        return serve

    def _note(self, turn: str) -> Callable[[], None]:
        return lambda: self.turns.append(turn)


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work(at_once=2, waiting=3)
    yield made
    made.finish(PATIENCE)


def test_those_of_one_line_take_turns_and_others_overtake_them(work: Work) -> None:
    served = Served()
    work.take(served.job("a1", "a", waits=True))
    work.take(served.job("a2", "a"))
    work.take(served.job("b1", "b"))
    for _ in range(2):
        assert served.begun.acquire(timeout=PATIENCE)
    served.gate.set()
    assert work.finish(PATIENCE)
    assert served.turns == ["b1", "a1", "a2"]


def test_what_belongs_to_no_line_waits_for_nobody(work: Work) -> None:
    served = Served()
    work.take(served.job("gc", waits=True))
    work.take(served.job("status"))
    for _ in range(2):
        assert served.begun.acquire(timeout=PATIENCE)
    served.gate.set()
    assert work.finish(PATIENCE)
    assert served.turns == ["status", "gc"]


def test_more_than_may_wait_is_not_taken(work: Work) -> None:
    served = Served()
    for number in range(5):
        assert not work.is_full
        work.take(served.job(f"{number}", f"{number}", waits=True))
    assert (work.is_full, work.taken) == (True, 5)
    served.gate.set()
    assert work.finish(PATIENCE)
    assert sorted(served.turns) == ["0", "1", "2", "3", "4"]


def test_what_nobody_waits_for_any_more_is_not_begun(work: Work) -> None:
    served = Served()
    work.take(served.job("gone", "a", wanted=False))
    work.take(served.job("next", "a"))
    assert work.finish(PATIENCE)
    assert served.turns == ["-gone", "next"]


def test_one_that_breaks_down_does_not_hold_up_its_line(work: Work) -> None:
    served = Served()

    def break_down() -> None:
        raise MemoryError

    work.take(Job("a", break_down, break_down, lambda: True))
    work.take(served.job("next", "a"))
    assert work.finish(PATIENCE)
    assert served.turns == ["next"]


def test_the_end_waits_for_a_bounded_time_only() -> None:
    work, served = Work(at_once=1, waiting=1), Served()
    work.take(served.job("hangs", waits=True))
    assert served.begun.acquire(timeout=PATIENCE)
    assert not work.finish(0.05)
    served.gate.set()
