"""What does not last is not done again and again without end."""

from __future__ import annotations

from install.installer.pace import Pace


def test_the_first_time_is_at_once_and_each_further_one_later() -> None:
    pace, now, pauses = Pace(), 100.0, []
    for _ in range(12):
        began = now
        while not pace.may("link", now):
            now += 0.5
        pauses.append(now - began)
        pace.tries("link", now)
    assert pauses == [0, 0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert pace.may("another", now)


def test_who_is_contested_is_told_until_there_is_peace() -> None:
    pace = Pace()
    for now in (0.0, 5.0, 10.0, 15.0, 20.0):
        pace.tries("link", now)
        pace.did("link")
    pace.tries("link", 25.0)
    assert pace.contested(25.0) == {}, "what fails is another matter"
    pace.tries("link", 30.0)
    pace.did("link")
    assert pace.contested(31.0) == {"link": 6}
    assert pace.contested(159.0) == {}
    pace.tries("link", 159.0)
    assert pace.may("link", 159.5), "and then nothing is held against it"
