"""What is wanted and what is there make the steps between them.  Pure.

Nothing in here can touch what is not ours: a step's route is in our table and of our protocol, a
step's rule leads into our table and is of our protocol.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import ip_network

from cni.hostgw.config import WIDEST, HostgwConfig
from cni.hostgw.terrain import Candidate
from cni.kernel.rule_messages import words as rule_words
from cni.kernel.types import Network, Route, Rule

PROTOCOL = 142
"""Ours, of routes and rules (`/etc/iproute2/rt_protos`)."""
MARKS = "rail-hostgw"
"""The nftables in which an agent marks what it has proven."""
GUARDS = "rail-hostgw-guard"
"""The nftables in which an agent states who alone may use a peer's pod network."""
_METRICS = {4: 0, 6: 1024}
"""As the kernel states them."""
_ANYWHERE: dict[int, Network] = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}


@dataclass(frozen=True, slots=True)
class Place:
    """Where our routes are, and before which rules they count."""

    table: int
    priority: int
    pod_networks: tuple[Network, ...]

    @classmethod
    def of(cls, config: HostgwConfig) -> Place:
        """Return the place that a configuration asks for."""
        return cls(config.table, config.priority, config.pod_networks)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Routes to the peers that are proven, and the rules that lead to them."""

    routes: tuple[Route, ...] = ()
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The whole table, and all rules, whoever made them."""

    routes: Sequence[Route] = ()
    rules: Sequence[Rule] = ()


class Change(Enum):
    """Whether something comes or goes."""

    ADD = "add"
    REMOVE = "del"


@dataclass(frozen=True, slots=True)
class Step:
    """One change."""

    change: Change
    what: Route | Rule


def wanted(proven: Collection[Candidate], known: Collection[Network], place: Place) -> Wanted:
    """Return what is wanted.

    Args:
        proven: the peers that have just answered.
        known: the pod networks of all peers: together they are the cluster's, if nothing states it.
        place: where our routes are to be.
    """
    routes: list[Route] = []
    rules: list[Rule] = []
    for version in (4, 6):
        of_family = [one for one in proven if one.peer.cidr.version == version]
        network = _pod_network([cidr for cidr in known if cidr.version == version], version, place)
        if of_family and network:
            routes += (route(one, place) for one in of_family)
            rules.append(
                Rule(_ANYWHERE[version], place.table, place.priority, network, PROTOCOL)
            )  # fmt: skip
    return Wanted(tuple(routes), tuple(rules))


def steps(wanted: Wanted, found: Found, table: int) -> list[Step]:
    """Return the steps from what is found to what is wanted.

    What goes, goes first, and rules before routes: between two steps a packet takes the overlay,
    never a wrong way, nor one that a former rule alone would have led to.  What another program
    has put into our table, or made a rule of, stays, and stands in for ours.
    """
    ours, our_rules = ours_of(found, table)
    standing, lasting = frozenset(ours), frozenset(wanted.routes)
    taken = {(route.dst, route.priority) for route in found.routes if route not in standing}
    said = {_what_it_says(rule) for rule in found.rules if rule not in our_rules}
    coming = [
        route
        for route in wanted.routes
        if route not in standing and (route.dst, route.priority) not in taken
    ]
    leading = [
        rule
        for rule in wanted.rules
        if rule not in our_rules and _what_it_says(rule) not in said
    ]  # fmt: skip
    return [
        *(Step(Change.REMOVE, rule) for rule in our_rules if rule not in wanted.rules),
        *(Step(Change.REMOVE, route) for route in ours if route not in lasting),
        *(Step(Change.ADD, route) for route in coming),
        *(Step(Change.ADD, rule) for rule in leading),
    ]


def ours_of(found: Found, table: int) -> tuple[list[Route], list[Rule]]:
    """Return what is ours of what is found."""
    routes = [r for r in found.routes if (r.table, r.protocol) == (table, PROTOCOL)]
    rules = [r for r in found.rules if r.protocol == PROTOCOL and (r.table == table or r.port)]
    return routes, rules


def differences(possible: Wanted, found: Found, table: int) -> Iterator[str]:
    """Say what of ours could not be what an ADD left.

    Args:
        possible: what would be wanted if every peer were proven.
        found: what there is.
        table: ours.
    """
    routes, rules = ours_of(found, table)
    for route in routes:
        if route not in possible.routes:
            yield f"table {table} leads {route.dst} to {route.gateway}, which nothing asks for"
    versions = {route.dst.version for route in routes}
    for rule in possible.rules:
        if rule.source.version in versions and rule not in rules:
            yield f"the rule to {rule.to} lookup {table} priority {rule.priority} is missing"
    for rule in rules:
        if rule not in possible.rules:
            yield f"the rule {rule_words(rule)} is there, which nothing asks for"


def _what_it_says(rule: Rule) -> Rule:
    """Return a rule without who made it."""
    return replace(rule, protocol=0)


def route(proven: Candidate, place: Place) -> Route:
    """Return the direct route to a peer's pods."""
    peer = proven.peer
    return Route(
        peer.cidr,
        proven.uplink.index,
        peer.address,
        table=place.table,
        priority=_METRICS[peer.cidr.version],
        source=peer.overlay.source(peer.cidr.version),
        mtu=peer.overlay.mtu,
        protocol=PROTOCOL,
    )


def _pod_network(known: Sequence[Network], version: int, place: Place) -> Network | None:
    """Return what the rule is about: what is stated, else the least network that has all peers'."""
    for network in place.pod_networks:
        if network.version == version:
            return network
    return span(known)


def span(networks: Sequence[Network]) -> Network | None:
    """Return the least network that holds all of one family, None when it is too wide."""
    if not networks:
        return None
    spanned = networks[0]
    while not all(network.subnet_of(spanned) for network in networks):  # type: ignore[arg-type]  # of one family
        if spanned.prefixlen <= WIDEST:
            return None
        spanned = spanned.supernet()
    return spanned
