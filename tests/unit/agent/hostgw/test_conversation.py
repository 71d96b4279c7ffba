"""What is asked and answered: only what was asked just now, on that way, counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cni.agent.hostgw.conversation import Answer, Conversation
from cni.agent.hostgw.echo import Echo, Kind, Way, Word
from cni.agent.hostgw.path import NEVER
from tests.unit.agent.hostgw.cluster import OWN, PEER, word

PATIENCE = 4.0
NOT_NODE = [Way.DIRECT, Way.OVERLAY]


@pytest.fixture
def talk() -> Conversation:
    return Conversation(OWN, PEER, PATIENCE)


def reply(request: Echo, said: Word | None = None) -> Echo:
    said = said or (word() if request.way is Way.NODE else None)
    return Echo(
        Kind.ANSWER, request.way, request.nonce, request.receiver, request.sender, said
    )  # fmt: skip


def requested(way: Way = Way.NODE, nonce: bytes = b"n" * 16) -> Echo:
    return Echo(Kind.REQUEST, way, nonce, PEER, OWN)


@pytest.mark.parametrize("way", Way)
def test_an_answer_counts_from_when_its_request_was_sent(talk: Conversation, way: Way) -> None:
    request = talk.ask(way, 10.0)
    assert request == Echo(Kind.REQUEST, way, request.nonce, OWN, PEER)
    assert talk.take(reply(request), 12.5) == Answer(way, 10.0, is_long=False)
    assert talk.measured[way].figures().rtt == pytest.approx(2.5)


def test_only_the_node_itself_says_something(talk: Conversation) -> None:
    for way in NOT_NODE:
        talk.take(reply(talk.ask(way, 10.0), word(leaving=True)), 10.1)
    assert (talk.word, talk.heard) == (None, NEVER)
    talk.take(reply(talk.ask(Way.NODE, 11.0)), 11.1)
    assert (talk.word, talk.heard) == (word(), 11.0)


def test_no_two_requests_have_a_number_in_common(talk: Conversation) -> None:
    assert len({talk.ask(Way.DIRECT, 10.0).nonce for _ in range(1000)}) == 1000


@pytest.mark.parametrize("way", Way)
def test_a_recorded_answer_counts_once(talk: Conversation, way: Way) -> None:
    answer = reply(talk.ask(way, 10.0))
    assert talk.take(answer, 10.1)
    assert talk.take(answer, 10.2) is None
    assert talk.take(answer, 20.0) is None
    talk.expire(20.0)
    assert talk.take(answer, 20.0) is None
    assert talk.measured[way].figures().loss == 0.0


@pytest.mark.parametrize("asked", Way)
@pytest.mark.parametrize("answered", Way)
def test_an_answer_on_another_way_proves_nothing(
    talk: Conversation, asked: Way, answered: Way
) -> None:
    answer = replace(reply(talk.ask(asked, 10.0)), way=answered, word=word())
    assert (talk.take(answer, 10.1) is None) is (asked is not answered)
    assert (talk.word is not None) is (asked is answered is Way.NODE)


def test_an_answer_to_what_was_never_asked(talk: Conversation) -> None:
    talk.ask(Way.NODE, 10.0)
    assert talk.take(reply(requested()), 10.1) is None


@pytest.mark.parametrize(("after", "counts"), [(3.99, True), (4.0, False), (400.0, False)])
def test_a_late_one_is_lost(talk: Conversation, after: float, *, counts: bool) -> None:
    answer = reply(talk.ask(Way.DIRECT, 10.0))
    assert (talk.take(answer, 10.0 + after) is not None) is counts
    talk.expire(10.0 + after)
    assert talk.measured[Way.DIRECT].figures().loss == (0.0 if counts else 1.0)


def test_what_is_lost_is_counted_once_and_forgotten(talk: Conversation) -> None:
    for second in range(10):
        talk.ask(Way.DIRECT, second)
    talk.expire(8.5)
    figures = talk.measured[Way.DIRECT].figures()
    assert figures.loss == 1.0
    assert len(talk._asked) == 5
    talk.expire(8.6)
    assert talk.measured[Way.DIRECT].figures() == figures
    talk.expire(1e9)
    assert not talk._asked


def test_answers_that_overtake_each_other(talk: Conversation) -> None:
    first, second = (talk.ask(Way.NODE, now) for now in (10.0, 11.0))
    assert talk.take(reply(second), 11.1) == Answer(Way.NODE, 11.0, is_long=False)
    assert talk.take(reply(first), 11.2) == Answer(Way.NODE, 10.0, is_long=False)
    assert talk.heard == 11.0


def test_whether_a_long_request_was_answered_is_told(talk: Conversation) -> None:
    long, short = (talk.ask(Way.DIRECT, 10.0, is_long=is_long) for is_long in (True, False))
    assert talk.take(reply(short), 10.1) == Answer(Way.DIRECT, 10.0, is_long=False)
    assert talk.take(reply(long), 10.1) == Answer(Way.DIRECT, 10.0, is_long=True)


def test_it_is_asked_when_it_is_due(talk: Conversation) -> None:
    for way in Way:
        assert talk.is_due(way, 0.0, 1e9)
    talk.ask(Way.DIRECT, 10.0)
    assert not talk.is_due(Way.DIRECT, 12.4, 2.5)
    assert talk.is_due(Way.DIRECT, 12.5, 2.5)
    assert talk.is_due(Way.DIRECT, 12.4, 1.0)
    assert talk.is_due(Way.NODE, 10.0, 2.5)


def test_who_asks_is_asked_soon_but_not_at_its_pace(talk: Conversation) -> None:
    talk.ask(Way.NODE, 10.0)
    for now in (10.1, 10.5, 10.9):
        talk.hurry(now)
        assert not talk.is_due(Way.NODE, now, 5.0)
    talk.hurry(11.0)
    assert talk.is_due(Way.NODE, 11.0, 5.0)


def test_being_hurried_puts_nothing_off(talk: Conversation) -> None:
    talk.ask(Way.NODE, 10.0)
    talk.hurry(10.1)
    assert talk.is_due(Way.NODE, 10.2, 0.2)


@pytest.mark.parametrize("way", Way)
def test_what_is_answered(talk: Conversation, way: Way) -> None:
    answer = talk.answer(requested(way), word(), 10.0)
    said = word() if way is Way.NODE else None  # who is seen from outside says little
    assert answer == Echo(Kind.ANSWER, way, b"n" * 16, OWN, PEER, said)


def test_a_flood_is_answered_twenty_times_a_second(talk: Conversation) -> None:
    at_once = [talk.answer(requested(), word(), 10.0) for _ in range(100)]
    assert sum(answer is not None for answer in at_once) == 40
    spread = [talk.answer(requested(), word(), 10.0 + n / 1000) for n in range(1, 10001)]
    assert sum(answer is not None for answer in spread) in range(199, 202)


@pytest.mark.parametrize("interval", [0.2, 1.0])
def test_who_asks_as_it_should_is_always_answered(talk: Conversation, interval: float) -> None:
    for number in range(1000):
        for way in Way:
            assert talk.answer(requested(way), word(), number * interval)


def test_no_allowance_is_saved_up(talk: Conversation) -> None:
    assert talk.answer(requested(), word(), 10.0)
    assert sum(talk.answer(requested(), word(), 1e6) is not None for _ in range(100)) == 40


def test_goodbye_is_a_second_answer_to_the_last_requests() -> None:
    here, there = Conversation(OWN, PEER, PATIENCE), Conversation(PEER, OWN, PATIENCE)
    assert there.farewells(word(leaving=True)) == []  # nobody has asked
    for now in (7.0, 8.0, 9.0, 10.0):
        answer = there.answer(here.ask(Way.NODE, now), word(), now + 0.1)
        assert answer
        assert here.take(answer, now + 0.2)
    farewells = there.farewells(word(leaving=True))
    assert [here.take(each, 10.3) for each in farewells] == [
        Answer(Way.NODE, sent, is_long=False) for sent in (8.0, 9.0, 10.0)
    ]  # any of which is enough
    assert here.word == word(leaving=True)
    assert here.measured[Way.NODE].figures().rtt == pytest.approx(0.2)  # each counts once


@pytest.mark.parametrize("arrives", [0, 1, 2])
def test_one_of_them_that_arrives_is_enough(arrives: int) -> None:
    here, there = Conversation(OWN, PEER, PATIENCE), Conversation(PEER, OWN, PATIENCE)
    for now in (8.0, 9.0, 10.0):
        there.answer(here.ask(Way.NODE, now), word(), now + 0.1)
    assert here.take(there.farewells(word(leaving=True))[arrives], 10.3)
    assert here.word == word(leaving=True)


def test_only_node_to_node_requests_are_said_goodbye_to(talk: Conversation) -> None:
    for way in NOT_NODE:
        talk.answer(requested(way), word(), 10.0)
    assert talk.farewells(word(leaving=True)) == []


def test_a_recorded_goodbye_makes_nobody_leave() -> None:
    here, there = Conversation(OWN, PEER, PATIENCE), Conversation(PEER, OWN, PATIENCE)
    there.answer(here.ask(Way.NODE, 10.0), word(), 10.1)
    (recorded,) = there.farewells(word(leaving=True))
    here.expire(14.0)
    here.take(reply(here.ask(Way.NODE, 14.0)), 14.1)
    assert here.take(recorded, 14.2) is None
    assert here.word == word()
