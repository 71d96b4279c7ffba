"""One path: every way from state to state, and that nothing unproven is ever direct."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from cni.agent.hostgw import path
from cni.agent.hostgw.path import NEVER, Path, State, Times

TIMES = Times()
PROBING = path.judge(path.begin(100.0), "", 100.0)


def prove(one: Path, sent: float) -> Path:
    """Return a path after an answer to a long request."""
    return path.prove(one, sent, is_long=True)


def proven(
    one: Path, begin: float, end: float, *, heard: float | None = None, is_long: bool = True
) -> Path:
    """Return a path after a second's answers from one time to another."""
    now = begin
    while now <= end:
        one = path.prove(one, now, is_long=is_long)
        one = path.age(one, now + 0.1, now if heard is None else heard, TIMES)
        now += 1
    return one


DIRECT = proven(PROBING, 100.0, 125.0)


def silent(one: Path, begin: float, seconds: float) -> Path:
    """Return a path after so many seconds in which its node answers, and it does not."""
    now = begin
    while now < begin + seconds:
        one = path.age(one, now, now - 0.5, TIMES)
        now += 0.1
    return one


def test_what_is_not_known_yet_takes_the_overlay() -> None:
    begun = path.begin(100.0)
    assert (begun.state, begun.since, begun.proof) == (State.OVERLAY, 100.0, NEVER)
    assert path.age(begun, 1e9, 1e9, TIMES) is begun


def test_nothing_in_the_way_means_probing() -> None:
    assert (PROBING.state, PROBING.since) == (State.PROBING, 100.0)
    assert path.judge(PROBING, "", 105.0) is PROBING


def test_an_obstacle_is_told_and_told_anew() -> None:
    one = path.judge(path.begin(100.0), "both ends are wired", 101.0)
    assert (one.state, one.why, one.since) == (State.OVERLAY, "both ends are wired", 100.0)
    assert path.judge(one, "both ends are wired", 102.0) is one
    other = path.judge(one, "its agent has said goodbye", 103.0)
    assert (other.why, other.since) == ("its agent has said goodbye", 100.0)


@pytest.mark.parametrize("before", [PROBING, DIRECT])
def test_an_obstacle_ends_what_was(before: Path) -> None:
    one = path.judge(before, "its agent has said goodbye", 126.0)
    assert one == Path(State.OVERLAY, "its agent has said goodbye", 126.0)
    assert prove(one, 127.0) is one


def test_up_takes_its_time() -> None:
    one = PROBING
    for now in range(100, 120):
        one = path.age(prove(one, now), now + 0.5, now, TIMES)
        assert one.state is State.PROBING
    one = path.age(prove(one, 119.9), 119.99, 119.9, TIMES)
    assert one.state is State.PROBING
    one = path.age(one, 120.0, 119.9, TIMES)
    assert (one.state, one.why, one.since, one.proof) == (State.DIRECT, "proven", 120.0, 119.9)


def test_clean_begins_with_the_first_answer_and_not_before() -> None:
    one = path.age(PROBING, 190.0, 190.0, TIMES)
    assert one.state is State.PROBING
    one = proven(one, 190.0, 209.0)
    assert one.state is State.PROBING
    assert proven(one, 210.0, 211.0).state is State.DIRECT


def test_a_hole_begins_it_again() -> None:
    one = proven(PROBING, 100.0, 110.0)
    assert one.clean == 100.0
    one = path.age(one, 113.0, 113.0, TIMES)
    assert one.clean == 100.0  # a lost answer or two are none
    one = path.age(one, 113.01, 113.0, TIMES)
    assert (one.clean, one.why) == (None, "answers are missing")
    one = proven(one, 114.0, 133.0)
    assert one.state is State.PROBING
    assert proven(one, 134.0, 135.0).state is State.DIRECT


def test_answers_in_any_order_count_by_their_requests() -> None:
    one = prove(prove(DIRECT, 126.0), 124.0)
    assert one.proof == 126.0
    late = prove(PROBING, 101.0)
    assert path.age(late, 105.0, 105.0, TIMES).clean is None  # it proves what was 4 s ago


def test_a_path_for_short_packets_alone_is_not_used() -> None:
    one = proven(PROBING, 100.0, 200.0, is_long=False)
    assert (one.state, one.clean) == (State.PROBING, 100.0)
    assert "long ones do not" in one.why
    assert path.age(one, 200.2, 200.0, TIMES) is one  # it is told once
    one = path.age(prove(one, 200.5), 200.6, 200.0, TIMES)
    assert (one.state, one.long_proof) == (State.DIRECT, 200.5)


def test_nor_is_one_that_long_packets_have_stopped_to_arrive_by() -> None:
    last = DIRECT.long_proof
    one = proven(DIRECT, 126.0, last + TIMES.long_limit - 1, is_long=False)
    assert one.state is State.DIRECT
    one = proven(one, last + TIMES.long_limit, last + TIMES.long_limit + 1, is_long=False)
    assert (one.state, one.why) == (State.HOLDDOWN, "long packets have stopped to arrive")
    assert (one.hold, one.long_proof) == (30.0, NEVER)


def test_a_long_proof_is_older_than_a_short_one_may_be() -> None:
    one = path.prove(prove(DIRECT, 126.0), 130.0, is_long=False)
    assert (one.proof, one.long_proof) == (130.0, 126.0)
    assert prove(one, 120.5).long_proof == 126.0
    assert TIMES.long_limit > 4 * TIMES.long_interval


def test_where_paths_are_only_observed_all_are_probed() -> None:
    held = silent(DIRECT, 126.0, 4)
    for before in (DIRECT, held):
        one = path.observe(before, 130.0)
        assert (one.state, one.since, one.proof) == (State.PROBING, 130.0, NEVER)
        assert "observed" in one.why
    forbidden = path.judge(PROBING, "for a reason", 101.0)
    for before in (PROBING, forbidden):
        assert path.observe(before, 130.0) is before


def test_down_at_the_limit_and_not_before() -> None:
    last = DIRECT.proof
    assert path.age(DIRECT, last + 3.99, last + 3, TIMES) is DIRECT
    one = path.age(DIRECT, last + 4, last + 3, TIMES)
    assert (one.state, one.since, one.until, one.hold) == (
        State.HOLDDOWN, last + 4, last + 34, 30.0,
    )  # fmt: skip
    assert one.proof == NEVER


@pytest.mark.parametrize(("heard", "state"), [(1.5, State.PROBING), (1.51, State.HOLDDOWN)])
def test_a_silent_node_holds_nothing_against_a_path(heard: float, state: State) -> None:
    last = DIRECT.proof
    one = path.age(DIRECT, last + 4, last + heard, TIMES)
    assert one.state is state
    if state is State.PROBING:
        assert (one.why, one.hold, one.proof, one.clean) == (
            "its node is silent", 0.0, NEVER, None,
        )  # fmt: skip


def test_when_both_go_at_once_the_node_counts_as_silent() -> None:
    for offset in range(20):  # the node is asked at whatever moment of an interval
        one = proven(PROBING, 100.0, 130.0, heard=1e9)
        last, heard = one.proof, one.proof + (offset - 10) / 10 * TIMES.interval
        now = last
        while one.state is State.DIRECT:
            now += 0.1
            one = path.age(one, now, heard, TIMES)
        assert one.state is State.PROBING


def test_hold_down_ends_by_itself_and_by_nothing_else() -> None:
    held = silent(DIRECT, 126.0, 4)
    assert held.state is State.HOLDDOWN
    assert path.judge(held, "", 130.0) is held
    assert path.judge(held, "its agent has said goodbye", 130.0) is held
    assert prove(held, 131.0) is held
    assert path.restart(held, "it moved", 131.0) is held
    assert path.age(held, held.until - 0.01, 1e9, TIMES) is held
    one = path.age(held, held.until, 1e9, TIMES)
    assert (one.state, one.why, one.since) == (
        State.PROBING, "held down long enough", held.until,
    )  # fmt: skip
    assert one.hold == 30.0


def test_each_failure_doubles_it_up_to_the_longest() -> None:
    one, now, holds = PROBING, 100.0, []
    for _ in range(8):
        one = proven(one, now, now + 25)
        assert one.state is State.DIRECT
        one = silent(one, now + 26, 5)
        assert one.state is State.HOLDDOWN
        holds.append(one.until - one.since)
        now = one.until
        one = path.age(one, now, now, TIMES)
    assert holds == pytest.approx([30, 60, 120, 240, 480, 600, 600, 600])


@pytest.mark.parametrize(("seconds", "hold"), [(590.0, 60.0), (605.0, 30.0)])
def test_it_is_forgotten_after_a_long_good_time(seconds: float, hold: float) -> None:
    one = silent(DIRECT, 126.0, 5)
    now = one.until
    one = path.age(one, now, now, TIMES)
    one = proven(one, now, now + 21 + seconds)
    one = silent(one, now + 22 + seconds, 5)
    assert one.until - one.since == pytest.approx(hold)


def test_it_is_not_forgotten_by_what_is_no_good_time() -> None:
    failed = silent(DIRECT, 126.0, 5)
    probing = path.age(failed, failed.until, failed.until, TIMES)
    for one in (
        path.judge(path.judge(probing, "no agent answers", 200.0), "", 5000.0),
        path.restart(probing, "another way", 5000.0),
    ):
        assert (one.state, one.hold) == (State.PROBING, 30.0)


@pytest.mark.parametrize("before", [PROBING, DIRECT])
def test_a_request_from_before_a_restart_proves_nothing(before: Path) -> None:
    one = path.restart(before, "its direct way has just been made", 130.0)
    assert (one.state, one.since, one.proof, one.clean) == (State.PROBING, 130.0, NEVER, None)
    assert prove(one, 129.99) is one
    assert prove(one, 130.01).proof == 130.01


def test_nothing_restarts_what_is_not_watched() -> None:
    one = path.judge(path.begin(1.0), "both ends are wired", 2.0)
    assert path.restart(one, "another way", 3.0) is one


def test_times_stand_as_they_are_told() -> None:
    times = replace(TIMES, interval=2.0, limit=9.0)
    assert (times.hole, times.silence) == (7.0, 6.0)
    assert math.isinf(NEVER)
