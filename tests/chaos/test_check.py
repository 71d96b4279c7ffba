"""The judge of a history finds what is wrong, and nothing else."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import check
from tests.chaos.fleet import ADD_WITHIN, DEL_WITHIN
from tests.chaos.history import Death, Deed, Entry, Log, Request, read


def add(container: str, slot: int, begun: float, **more: object) -> Request:
    made = Request(
        "ADD", "gpu-0", "boot", container, "roce-a", begun, begun + 0.5, 0, f"10.60.0.{slot}"
    )
    return replace(made, **more)  # type: ignore[arg-type]  # a test's data


def delete(container: str, begun: float, **more: object) -> Request:
    made = Request("DEL", "gpu-0", "boot", container, "roce-a", begun, begun + 0.5, 0)
    return replace(made, **more)  # type: ignore[arg-type]  # a test's data


@pytest.mark.parametrize(
    "history",
    [
        [add("a", 1, 1), delete("a", 2), add("b", 1, 2.1)],
        # The DEL had begun: that it was asked again, and when it was done, is no matter.
        [add("a", 1, 1), delete("a", 2, code=None), add("b", 1, 2.1), delete("a", 9)],
        [add("a", 1, 1), Death("gpu-0", 2), add("b", 1, 3)],
        # What was never answered, or refused, is no pod's.
        [add("a", 1, 1, code=None, address=""), add("b", 1, 2)],
        [add("a", 1, 1, code=11, address=""), add("b", 1, 2)],
        [add("a", 1, 1), add("b", 2, 1)],
    ],
)
def test_a_history_is_in_order(history: list[Entry]) -> None:
    assert check.problems(history) == []


@pytest.mark.parametrize(
    "history",
    [
        [add("a", 1, 1), add("b", 1, 2)],
        [add("b", 1, 2), add("a", 1, 1)],
        [add("a", 1, 1), add("b", 1, 2), delete("a", 2.6)],
        [add("a", 1, 1), add("b", 1, 2, machine="gpu-1"), Death("gpu-1", 3)],
        [add("a", 1, 1), Death("gpu-1", 1.7), add("b", 1, 2)],
        # A machine's death before an ADD ends nothing.
        [Death("gpu-0", 1), add("a", 1, 1), delete("a", 9), add("b", 1, 5)],
    ],
)
def test_a_planted_double_is_found(history: list[Entry]) -> None:
    [problem] = check.problems(history)
    assert problem.startswith("two pods have 10.60.0.1: ")


def test_one_long_life_is_compared_with_all_others() -> None:
    history = [add("a", 1, 1), add("b", 1, 2), delete("b", 3), add("c", 1, 4)]
    assert len(check.problems(history)) == 2


def test_another_slot_on_another_rail_of_the_fabric_is_found() -> None:
    second = add("a", 1, 2, rail="roce-b", address="10.61.0.1")
    elsewhere = add("a", 1, 3, rail="sto-a", address="10.62.0.9")
    assert check.problems([add("a", 1, 1), second, elsewhere]) == []
    [problem] = check.problems([add("a", 1, 1), replace(second, address="10.61.0.2")])
    assert problem == "pod a has the slots [1, 2] of fabric backend"


@pytest.mark.parametrize(
    "entry",
    [
        add("a", 1, 1, code=7),
        add("a", 1, 1, code=-1),
        delete("a", 1, code=11),
        add("a", 1, 1, seconds=ADD_WITHIN + 1),
        add("a", 1, 1, code=11, seconds=ADD_WITHIN + 1),
        delete("a", 1, seconds=DEL_WITHIN + 1),
    ],
)
def test_an_answer_that_helps_nobody_is_found(entry: Request) -> None:
    [problem] = check.problems([entry])
    assert problem.startswith("expected")


def test_who_lives_on_is_told() -> None:
    history = [add("a", 1, 1), add("b", 2, 1), delete("b", 3)]
    [life] = check.alive(history)
    assert (life.container, life.begin, life.end, check.slot_of(life)) == ("a", 1.5, math.inf, 1)


def test_a_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "log"
    entries: list[Entry] = [
        add("a", 1, 1),
        Death("gpu-0", 2),
        Deed("node kill", "gpu-0", 3, "detail"),
    ]
    with file.open("w") as stream:
        log = Log(stream)
        for entry in entries:
            log.add(entry)
    assert read(file) == log.entries == entries
