"""Whose fault it is: the node's own path is judged before the overlay."""

from __future__ import annotations

import pytest

from install.doctor.findings import Severity
from install.doctor.wifi.blame import judge
from install.doctor.wifi.facts import Series


def series(came: int, milliseconds: float = 1.0) -> Series:
    return Series(20, (milliseconds,) * came)


@pytest.mark.parametrize(
    ("node", "overlay", "culprit", "severity"),
    [
        (series(20), series(20), "nobody", Severity.OK),
        (series(19), series(19), "nobody", Severity.OK),
        (series(20, 19.9), series(20, 24.8), "nobody", Severity.OK),
        (series(18), series(20), "underlay", Severity.WARNING),
        (series(11), series(0), "overlay", Severity.ERROR),
        (series(10), series(0), "underlay", Severity.WARNING),
        (series(20, 20.0), series(20, 200.0), "underlay", Severity.WARNING),
        (series(20), series(0), "overlay", Severity.ERROR),
        (series(20), series(18), "overlay", Severity.WARNING),
        (series(20), series(20, 5.9), "nobody", Severity.OK),
        (series(20), series(20, 6.0), "overlay", Severity.WARNING),
        (series(20, 15.0), series(20, 44.9), "nobody", Severity.OK),
        (series(20, 15.0), series(20, 45.0), "overlay", Severity.WARNING),
        (series(0), series(20), "nobody", Severity.INFO),
        (series(0), series(0), "underlay", Severity.ERROR),
    ],
)
def test_who_is_to_blame(node: Series, overlay: Series, culprit: str, severity: Severity) -> None:
    verdict = judge(node, overlay, answers=True)
    assert (verdict.culprit, verdict.severity) == (culprit, severity)


def test_who_answers_arp_alone_has_a_firewall() -> None:
    assert "a firewall there" in judge(series(0), series(0), answers=True).words
    for answers in (False, None):
        assert "off, or cut off" in judge(series(0), series(0), answers=answers).words


def test_loss_is_said_in_percent() -> None:
    assert judge(series(15), series(20), answers=True).words == "the path to its node loses 25%"
    assert judge(series(20), series(5), answers=True).words == "the overlay loses 75%"


def test_a_series_in_words() -> None:
    times = (1.0, 2.0, 30.0)
    assert str(Series(20, times)) == "3 of 20 came back, median 2.0 ms, at most 30.0 ms"
    assert str(Series(20, ())) == "none of 20 came back"
    assert Series(0, ()).lost == 0
