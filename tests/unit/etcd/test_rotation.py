"""Which endpoint, how long, when to pause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ipam.etcd.rotation import Rotation, attempt_seconds, pause_seconds

counts = st.integers(1, 7)
failed = st.integers(0, 1000)


def test_it_stays_until_the_endpoint_fails_and_then_goes_round() -> None:
    rotation = Rotation(3, start=5)
    assert rotation.current == 2
    rotation.leave(2)
    assert rotation.current == 0
    rotation.leave(2)  # another thread's attempt on the same endpoint
    assert rotation.current == 0


@given(left=st.floats(0.001, 100), failures=failed, endpoints=counts)
def test_an_attempt_is_never_longer_than_what_is_left(
    left: float, failures: int, endpoints: int
) -> None:
    seconds = attempt_seconds(1.0, left, failures=failures, endpoints=endpoints)
    assert 0 < seconds <= left


def test_time_is_left_for_another_endpoint_and_grows_with_each_round() -> None:
    seconds = [attempt_seconds(1.0, 60, failures=each, endpoints=3) for each in range(7)]
    assert seconds == [1, 1, 1, 2, 2, 2, 4]
    assert attempt_seconds(1.0, 1.0, failures=0, endpoints=3) == 0.5
    assert attempt_seconds(1.0, 1.0, failures=0, endpoints=1) == 1.0
    assert attempt_seconds(1.0, 0.05, failures=0, endpoints=3) == 0.05


@given(failures=failed, endpoints=counts, chance=st.floats(0, 1))
def test_there_is_a_bounded_pause_after_each_round_and_none_within(
    failures: int, endpoints: int, chance: float
) -> None:
    pause = pause_seconds(failures=failures, endpoints=endpoints, chance=chance)
    over = failures > 0 and failures % endpoints == 0
    assert (0.025 <= pause <= 1.0) if over else pause == 0
