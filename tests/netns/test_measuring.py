"""Echoes to real addresses: who answers is timed, who does not costs a bounded time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from cni.kernel.netns import NetnsThread
from install.doctor.wifi.facts import Series
from install.doctor.wifi.measuring import COUNT, INTERVAL, PATIENCE, Target, measure
from tests.netns.namespace import Namespace, run

pytestmark = pytest.mark.netns

HERE, HERE6, NOWHERE = (ip_address(a) for a in ("127.0.0.1", "::1", "192.0.2.1"))
SENDING = COUNT * INTERVAL


@pytest.fixture
def space() -> Iterator[Namespace]:
    """A namespace with nothing but `lo`, up."""
    made = Namespace(f"measuring-{os.getpid()}")
    run("ip", "netns", "add", made.name)
    try:
        made.ip("link", "set", "lo", "up")
        yield made
    finally:
        run("ip", "netns", "delete", made.name)


def timed(space: Namespace, *targets: Target) -> tuple[list[Series], float]:
    """Measure inside; return what came, and how many seconds it took."""
    with NetnsThread() as thread:
        thread.enter(f"/run/netns/{space.name}")
        begun = time.monotonic()
        return thread.run(lambda: measure(targets)), time.monotonic() - begun


def test_who_answers_is_not_waited_for_any_longer(space: Namespace) -> None:
    (here, here6), seconds = timed(space, Target(HERE), Target(HERE6))
    for series in (here, here6):
        assert (series.sent, len(series.times)) == (COUNT, COUNT)
        assert all(0 < milliseconds < 1000 for milliseconds in series.times)
    assert SENDING <= seconds < SENDING + PATIENCE


def test_who_does_not_answer_costs_so_much_and_no_more(space: Namespace) -> None:
    (here, nowhere), seconds = timed(space, Target(HERE), Target(NOWHERE))
    assert len(here.times) == COUNT
    assert nowhere == Series(COUNT, ())
    assert SENDING + PATIENCE <= seconds < SENDING + PATIENCE + 1


def test_nobody_to_measure(space: Namespace) -> None:
    series, seconds = timed(space)
    assert series == []
    assert seconds < SENDING


def test_requests_leave_by_the_device_that_is_asked_for(space: Namespace) -> None:
    space.ip("link", "add", "silent", "type", "veth", "peer", "name", "other")
    space.ip("link", "set", "silent", "up")
    index = int(space.run("cat", "/sys/class/net/silent/ifindex"))
    targets = [Target(address, index) for address in (HERE, HERE6)]
    (here, here6), _ = timed(space, *targets)
    assert here.times == here6.times == ()
