"""Slots and addresses: pure arithmetic.

A slot is the host part of an address, one integer on every rail and in every family: slot 1234 is
10.60.4.210 in 10.60.0.0/16, 10.61.4.210 in 10.61.0.0/16 and fd00:60::4d2 in fd00:60::/64.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_interface,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Interface: TypeAlias = IPv4Interface | IPv6Interface
Network: TypeAlias = IPv4Network | IPv6Network

MAX_SLOT = 2**62 - 1
"""The journal's integers have 63 bits: of a larger IPv6 subnet, the lower part is given out."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A run of slots, both ends included."""

    first: int
    last: int


Spans: TypeAlias = tuple[Span, ...]
"""Sorted and disjoint."""

EVERY_SLOT = Span(0, MAX_SLOT)
UNLIMITED: Spans = (EVERY_SLOT,)


def next_in(spans: Spans, slot: int) -> int | None:
    """Return the lowest slot of `spans` that is not below `slot`."""
    at = bisect_left(spans, slot, key=lambda span: span.last)
    return max(slot, spans[at].first) if at < len(spans) else None


def subtract(whole: Span, holes: Iterable[Span]) -> Spans:
    """Return what is left of a run without some others, which may overlap and lie outside."""
    left, first = [], whole.first
    for hole in sorted(holes):
        if hole.first > first:
            left.append(Span(first, min(hole.first - 1, whole.last)))
        first = max(first, hole.last + 1)
        if first > whole.last:
            return tuple(left)
    return (*left, Span(first, whole.last))


def intersect(one: Spans, other: Spans) -> Spans:
    """Return the slots that are in both."""
    common, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        first, last = max(one[i].first, other[j].first), min(one[i].last, other[j].last)
        if first <= last:
            common.append(Span(first, last))
        if one[i].last < other[j].last:
            i += 1
        else:
            j += 1
    return tuple(common)


def joined(runs: Iterable[Span]) -> Spans:
    """Return the slots of some runs, which may overlap or touch, in the fewest runs."""
    whole: list[Span] = []
    for run in sorted(runs):
        if whole and run.first <= whole[-1].last + 1:
            whole[-1] = Span(whole[-1].first, max(whole[-1].last, run.last))
        else:
            whole.append(run)
    return tuple(whole)


def without(one: Spans, other: Spans) -> Spans:
    """Return the slots that are in one and not in the other."""
    return intersect(one, subtract(EVERY_SLOT, other))


@dataclass(frozen=True, slots=True)
class Rail:
    """One network of a fabric, and which of its slots may be given out."""

    name: str
    subnets: tuple[Network, ...]
    """At most one per family, IPv4 first."""
    usable: Spans

    def __str__(self) -> str:
        subnets = listing(self.subnets)
        return subnets if self.name == subnets else f"{self.name} ({subnets})"

    def allows(self, slot: int) -> bool:
        """Tell whether a slot may be given out on this rail."""
        return next_in(self.usable, slot) == slot

    def addresses(self, slot: int) -> tuple[Interface, ...]:
        """Return a slot's address in each family, with the subnet's prefix length."""
        return tuple(
            ip_interface((subnet.network_address + slot, subnet.prefixlen))
            for subnet in self.subnets
        )

    def slot_of(self, address: Address) -> int | None:
        """Return the slot of an address, None when it has none on this rail."""
        for subnet in self.subnets:
            slot = int(address) - int(subnet.network_address)
            if address in subnet and slot <= MAX_SLOT:
                return slot
        return None


@dataclass(frozen=True)
class Fabric:
    """Rails that share slots."""

    name: str
    rails: tuple[Rail, ...]
    limits: Spans = UNLIMITED
    """The slots that one request may get; they bind nobody else."""

    @cached_property
    def usable(self) -> Spans:
        """The slots within the limits that every rail allows."""
        return reduce(intersect, (rail.usable for rail in self.rails), self.limits)

    @property
    def subnets(self) -> tuple[Network, ...]:
        """The subnets of all rails."""
        return tuple(subnet for rail in self.rails for subnet in rail.subnets)

    def rail(self, name: str) -> Rail:
        """Return a rail by its name (KeyError)."""
        for rail in self.rails:
            if rail.name == name:
                return rail
        raise KeyError(name)

    def next_usable(self, slot: int) -> int | None:
        """Return the lowest usable slot that is not below `slot`; jumps over what is excluded."""
        return next_in(self.usable, slot)

    def allows(self, slot: int) -> bool:
        """Tell whether the limits and every rail allow a slot."""
        return self.next_usable(slot) == slot


def make_rail(name: str, subnets: Sequence[Network], excluded: Iterable[Span] = ()) -> Rail:
    """Return a rail that gives out what nothing reserves or excludes.

    Args:
        name: its name in the fabric.
        subnets: at most one per family.
        excluded: runs that a slot must not lie in.
    """
    whole = Span(0, min(span_of(subnet).last for subnet in subnets))
    holes = [hole for subnet in subnets for hole in reserved(subnet)]
    ordered = tuple(sorted(subnets, key=lambda subnet: subnet.version))
    return Rail(name, ordered, subtract(whole, [*holes, *excluded]))


def span_of(subnet: Network) -> Span:
    """Return the slots that a subnet has, up to MAX_SLOT."""
    return Span(0, min(subnet.num_addresses - 1, MAX_SLOT))


def reserved(subnet: Network) -> Spans:
    """Return the slots that no host may have.

    These are the network and broadcast addresses in IPv4, the subnet-router anycast address in
    IPv6 (RFC 4291, 2.6.1).
    """
    last = subnet.num_addresses - 1
    if isinstance(subnet, IPv4Network):
        return (Span(0, 0), Span(last, last))
    return (Span(0, 0),)


def same_shape(one: Rail, other: Rail) -> bool:
    """Tell whether two rails have the same families and prefix lengths, hence the same slots."""
    shapes = [[(net.version, net.prefixlen) for net in rail.subnets] for rail in (one, other)]
    return shapes[0] == shapes[1]


def overlap(one: Rail, other: Rail) -> bool:
    """Tell whether two rails have an address in common."""
    return any(a.version == b.version and a.overlaps(b) for a in one.subnets for b in other.subnets)


def listing(values: Iterable[object]) -> str:
    """Return addresses or networks as a person writes them: 10.60.0.0/16, fd00:60::/64."""
    return ", ".join(str(value) for value in values)
