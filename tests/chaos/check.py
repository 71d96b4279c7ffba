"""What a history must be like.  Pure functions, each of which names what is wrong."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from tests.chaos.fleet import ADD_WITHIN, BASES, DEL_WITHIN, FABRIC_OF
from tests.chaos.history import Death, Entry, Request

TRY_AGAIN = 11


@dataclass(frozen=True, slots=True)
class Life:
    """A pod has an address from the answer to its ADD until its DEL begins, or its machine dies."""

    address: str
    machine: str
    container: str
    rail: str
    begin: float
    end: float
    """Infinite while it lives."""


def problems(history: Sequence[Entry]) -> list[str]:
    """Return all that is wrong with a history."""
    checks: tuple[Callable[[Sequence[Entry]], Iterator[str]], ...] = (
        doubles, torn, wrong_answers, slow_answers,
    )  # fmt: skip
    return [problem for check in checks for problem in check(history)]


def lives(history: Iterable[Entry]) -> list[Life]:
    """Return the lives of all addresses, each as short as it can have been."""
    ends: dict[tuple[str, str], float] = {}
    deaths: dict[str, list[float]] = defaultdict(list)
    adds = []
    for entry in history:
        if isinstance(entry, Death):
            deaths[entry.machine].append(entry.at)
        elif isinstance(entry, Request) and entry.verb == "DEL":
            key = (entry.container, entry.rail)
            ends[key] = min(entry.begun, ends.get(key, math.inf))
        elif isinstance(entry, Request) and entry.code == 0:
            adds.append(entry)
    found = []
    for add in adds:
        later = (at for at in deaths[add.machine] if at >= add.ended)
        end = min(ends.get((add.container, add.rail), math.inf), *later, math.inf)
        found.append(Life(add.address, add.machine, add.container, add.rail, add.ended, end))
    return found


def alive(history: Iterable[Entry]) -> list[Life]:
    """Return the lives that go on at the end."""
    return [life for life in lives(history) if life.end == math.inf]


def slot_of(life: Life) -> int:
    """Return the slot of an address."""
    base = ip_network(BASES[life.rail]).network_address
    return int(ip_address(life.address)) - int(base)


def doubles(history: Sequence[Entry]) -> Iterator[str]:
    """Name the addresses that two pods had at one instant."""
    by_address: dict[str, list[Life]] = defaultdict(list)
    for life in lives(history):
        by_address[life.address].append(life)
    for group in by_address.values():
        group.sort(key=lambda life: life.begin)
        last = group[0]
        for life in group[1:]:
            if life.begin < last.end:
                yield f"two pods have {life.address}: {last} and {life}"
            last = max(last, life, key=lambda one: one.end)


def torn(history: Sequence[Entry]) -> Iterator[str]:
    """Name the pods that have different slots on the rails of one fabric."""
    slots: dict[tuple[str, str], set[int]] = defaultdict(set)
    for life in lives(history):
        slots[life.container, FABRIC_OF[life.rail]].add(slot_of(life))
    for (container, fabric), found in slots.items():
        if len(found) > 1:
            yield f"pod {container} has the slots {sorted(found)} of fabric {fabric}"


def wrong_answers(history: Sequence[Entry]) -> Iterator[str]:
    """Name the requests that failed in a way that no runtime can help."""
    for entry in history:
        if isinstance(entry, Request):
            accepted = (0, None, TRY_AGAIN) if entry.verb == "ADD" else (0, None)
            if entry.code not in accepted:
                yield f"expected one of the codes {accepted}: {entry}"


def slow_answers(history: Sequence[Entry]) -> Iterator[str]:
    """Name the requests that waited longer than they may."""
    for entry in history:
        if isinstance(entry, Request):
            within = ADD_WITHIN if entry.verb == "ADD" else DEL_WITHIN
            if entry.seconds > within:
                yield f"expected an answer within {within:g} s: {entry}"
