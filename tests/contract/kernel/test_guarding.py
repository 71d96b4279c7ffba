"""Guards that expire: what is guarded, and for how long."""

from __future__ import annotations

import errno
from ipaddress import ip_network

import pytest

from cni.kernel.guarding import Origin
from cni.kernel.interface import Namespace
from cni.kernel.types import Network
from tests.contract.kernel.worlds import World, refuses

TABLE = "rail-test-guard"
ONE, TWO = Origin(3, "02:00:00:00:00:01"), Origin(4, "02:00:00:00:00:02")
PEER, PEER6 = ip_network("10.42.1.0/24"), ip_network("fd00:42:0:1::/64")
SMALL, SMALL6 = ip_network("10.42.2.7/32"), ip_network("fd00:43:0:10::1/128")
ALL: dict[Network, Origin] = {PEER: ONE, PEER6: ONE, SMALL: TWO, SMALL6: TWO}


def test_a_namespace_that_guards_nothing(pod: Namespace) -> None:
    assert pod.guarded(TABLE) == {}
    pod.unguard(TABLE)
    pod.guard(TABLE, {}, 5)
    assert pod.guarded(TABLE) == {}


def test_what_is_guarded(pod: Namespace) -> None:
    pod.guard(TABLE, ALL, 5)

    assert pod.guarded(TABLE) == ALL


def test_what_was_guarded_is_replaced(pod: Namespace) -> None:
    pod.guard(TABLE, ALL, 5)
    pod.guard(TABLE, {PEER: TWO, SMALL: ONE}, 5)
    assert pod.guarded(TABLE) == {PEER: TWO, SMALL: ONE}

    pod.guard(TABLE, {}, 5)
    assert pod.guarded(TABLE) == {}


def test_tables_do_not_disturb_each_other(pod: Namespace) -> None:
    pod.guard(TABLE, ALL, 5)
    pod.guard("rail-other", {PEER: TWO}, 5)
    pod.unguard(TABLE)

    assert pod.guarded(TABLE) == {}
    assert pod.guarded("rail-other") == {PEER: TWO}


def test_a_guard_expires_by_itself(world: World, pod: Namespace) -> None:
    pod.guard(TABLE, ALL, 0.5)
    world.pass_time(0.2)
    assert pod.guarded(TABLE) == ALL

    world.pass_time(0.4)
    assert pod.guarded(TABLE) == {}


def test_a_guard_that_is_renewed_holds(world: World, pod: Namespace) -> None:
    for _ in range(4):
        pod.guard(TABLE, ALL, 0.5)
        world.pass_time(0.3)
        assert pod.guarded(TABLE) == ALL


@pytest.mark.parametrize("seconds", [0, -1, 0.001])
def test_no_guard_is_for_ever(world: World, pod: Namespace, seconds: float) -> None:
    pod.guard(TABLE, ALL, seconds)
    world.pass_time(0.1)

    assert pod.guarded(TABLE) == {}


@pytest.mark.parametrize("mac", ["", "00:00:00:00", "02:00:00:00:00:00:00:00"])
def test_of_what_is_no_ethernet_nothing_is_guarded(pod: Namespace, mac: str) -> None:
    pod.guard(TABLE, {PEER: ONE}, 5)
    refuses(errno.EOPNOTSUPP, lambda: pod.guard(TABLE, {**ALL, SMALL: Origin(3, mac)}, 5))

    assert pod.guarded(TABLE) == {PEER: ONE}


def test_a_mac_is_told_as_links_tell_it(pod: Namespace) -> None:
    pod.guard(TABLE, {PEER: Origin(3, "02:00:00:00:AB:01")}, 5)

    assert pod.guarded(TABLE) == {PEER: Origin(3, "02:00:00:00:ab:01")}


def test_thousands_are_guarded_at_once(pod: Namespace) -> None:
    macs = [f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}" for n in range(2500)]
    many = {ip_network((0x0A000000 + (n << 8), 24)): Origin(3, mac) for n, mac in enumerate(macs)}
    many |= {
        ip_network(((0xFD << 120) + (n << 64), 64)): Origin(3, mac) for n, mac in enumerate(macs)
    }
    for _ in range(2):
        pod.guard(TABLE, many, 60)

    assert pod.guarded(TABLE) == many
