"""Round-trip time, jitter and loss."""

from __future__ import annotations

import pytest

from cni.agent.hostgw.measuring import Figures, Measured


def measured(*outcomes: float | None) -> Figures:
    made = Measured()
    for outcome in outcomes:
        if outcome is None:
            made.lost()
        else:
            made.answered(outcome)
    return made.figures()


def test_nothing_is_known_of_what_was_not_asked() -> None:
    assert measured() == Figures(None, None, None)


def test_one_answer_has_no_jitter() -> None:
    assert measured(0.2) == Figures(0.2, None, 0.0)


def test_what_is_lost_has_no_time() -> None:
    assert measured(None, None) == Figures(None, None, 1.0)
    assert measured(None, 0.2) == Figures(0.2, None, 0.5)


def test_mean_and_steps() -> None:
    found = measured(0.1, 0.3, None, 0.2, None)
    assert found.rtt == pytest.approx(0.2)
    assert found.jitter == pytest.approx((0.2 + 0.1) / 2)
    assert found.loss == pytest.approx(2 / 5)


def test_only_the_last_ones_count() -> None:
    assert measured(*[None] * 50, *[0.5] * 50) == Figures(0.5, 0.0, 0.0)
    assert measured(*[None] * 50, *[0.5] * 49).loss == pytest.approx(1 / 50)
