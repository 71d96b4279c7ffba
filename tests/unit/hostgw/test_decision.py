"""What is wanted and what is found make the steps, and never a step on what is not ours."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni.hostgw.decision import (
    PROTOCOL,
    Change,
    Found,
    Place,
    Step,
    Wanted,
    differences,
    span,
    steps,
    wanted,
)
from cni.hostgw.peers import Overlay, Peer
from cni.hostgw.terrain import Candidate
from cni.kernel.types import MAIN_TABLE, Link, Network, Route, Rule

TABLE = 142
PLACE = Place(TABLE, 5000, ())
OVERLAY = Overlay(7, "flannel.1", 1450, (ip_interface("10.42.0.0/32"), ip_interface("fd42::/128")))
UPLINK = Link(3, "wlan0", "02:00:00:00:00:01", 1500, up=True, carrier=True)
NETWORKS = [ip_network(f"10.42.{n}.0/24") for n in range(4)] + [
    ip_network(f"fd42:0:0:{n}::/64") for n in range(3)
]
NODES = {4: "192.168.1.", 6: "fd00:1::"}


def near(cidr: Network, host: int = 11) -> Candidate:
    node = ip_address(f"{NODES[cidr.version]}{host}")
    return Candidate(Peer(cidr, node, OVERLAY), UPLINK, node)


_networks = st.sampled_from(NETWORKS)
_proven = st.dictionaries(_networks, st.integers(11, 13)).map(
    lambda nodes: [near(cidr, host) for cidr, host in nodes.items()]
)
_tables = st.sampled_from([TABLE, MAIN_TABLE, 143])
_protocols = st.sampled_from([PROTOCOL, 3, 99])


def _route(cidr: Network, table: int, protocol: int, host: int) -> Route:
    (route,) = wanted([near(cidr, host)], [cidr], replace(PLACE, table=table)).routes
    return replace(route, protocol=protocol)


def _rule(cidr: Network, table: int, protocol: int, priority: int) -> Rule:
    anywhere = ip_network("::/0" if cidr.version == 6 else "0.0.0.0/0")
    return Rule(anywhere, table, priority, cidr, protocol)


_found = st.builds(
    Found,
    st.lists(
        st.builds(_route, _networks, _tables, _protocols, st.integers(11, 13)),
        unique_by=lambda route: (route.dst, route.table, route.priority),
    ),
    st.lists(
        st.builds(
            _rule,
            st.sampled_from([*NETWORKS, ip_network("10.42.0.0/16"), ip_network("10.42.0.0/22")]),
            _tables, _protocols, st.sampled_from([5000, 4000]),
        ),
        unique=True,
    ),
)  # fmt: skip


def is_ours(what: Route | Rule) -> bool:
    return (what.table, what.protocol) == (TABLE, PROTOCOL)


def after(found: Found, taken: list[Step]) -> Found:
    """Return what is there after some steps, as a kernel would take them."""
    routes, rules = list(found.routes), list(found.rules)
    for step in taken:
        if isinstance(step.what, Route):
            if step.change is Change.REMOVE:
                routes.remove(step.what)
            else:
                key = (step.what.dst, step.what.table, step.what.priority)
                assert key not in {(r.dst, r.table, r.priority) for r in routes}
                routes.append(step.what)
        elif step.change is Change.REMOVE:
            rules.remove(step.what)
        else:
            assert step.what not in rules
            rules.append(step.what)
    return Found(routes, rules)


@given(_proven, _found, st.data())
def test_others_are_never_touched_and_only_the_proven_remain(
    proven: list[Candidate], found: Found, data: st.DataObject
) -> None:
    want = wanted(proven, NETWORKS, PLACE)
    plan = steps(want, found, TABLE)
    cut = data.draw(st.integers(0, len(plan)))  # where a crash might end it
    there = after(found, plan[:cut])
    assert [r for r in there.routes if not is_ours(r)] == [
        r for r in found.routes if not is_ours(r)
    ]
    assert [r for r in there.rules if not is_ours(r)] == [r for r in found.rules if not is_ours(r)]
    new = [route for route in there.routes if route not in found.routes]
    assert set(new) <= set(want.routes)
    assert all((route.table, route.protocol) == (TABLE, PROTOCOL) for route in new)

    end = after(found, plan)
    routes, rules = list(filter(is_ours, end.routes)), list(filter(is_ours, end.rules))
    assert {route.dst for route in routes} <= {one.peer.cidr for one in proven}
    assert set(routes) <= set(want.routes)
    assert set(rules) <= set(want.rules)
    assert steps(want, end, TABLE) == []


@given(_found)
def test_nothing_proven_leaves_nothing_of_ours(found: Found) -> None:
    end = after(found, steps(Wanted(), found, TABLE))
    assert not [route for route in end.routes if is_ours(route)]
    assert not [rule for rule in end.rules if is_ours(rule)]


@given(_proven, _proven)
def test_what_goes_goes_before_what_comes(earlier: list[Candidate], later: list[Candidate]) -> None:
    before = wanted(earlier, NETWORKS, PLACE)
    plan = steps(wanted(later, NETWORKS, PLACE), Found(before.routes, before.rules), TABLE)
    routes = [step.change for step in plan if isinstance(step.what, Route)]
    assert routes == sorted(routes, key=lambda change: change is Change.ADD)


@pytest.mark.parametrize(
    ("networks", "spanned"),
    [
        ([], None),
        (["10.42.1.0/24"], "10.42.1.0/24"),
        (["10.42.1.0/24", "10.42.2.0/24"], "10.42.0.0/22"),
        (["10.42.1.0/24", "10.200.0.0/24"], "10.0.0.0/8"),
        (["10.42.1.0/24", "172.20.0.0/24"], None),
        (["fd00:42:1::/64", "fd00:42:9::/64"], "fd00:42::/44"),
    ],
)
def test_the_least_network_that_has_them_all(networks: list[str], spanned: str | None) -> None:
    found = span([ip_network(network) for network in networks])
    assert found == (ip_network(spanned) if spanned else None)


def test_differences_are_what_no_add_has_left() -> None:
    want = wanted([near(NETWORKS[1])], NETWORKS[:4], PLACE)
    found = Found(want.routes, want.rules)
    assert list(differences(want, found, TABLE)) == []
    assert len(list(differences(want, replace(found, rules=()), TABLE))) == 1
    assert len(list(differences(Wanted(), found, TABLE))) == 2
    assert list(differences(want, Found(), TABLE)) == []  # nobody may have answered


@pytest.mark.parametrize(("mark", "port"), [(64, 0), (0, 4790)])
def test_a_rule_is_told_from_another_ones_by_all_that_it_says(mark: int, port: int) -> None:
    plain = _rule(NETWORKS[0], TABLE, PROTOCOL, 5000)
    want = replace(plain, mark=mark, mask=mark, port=port)
    others = [replace(plain, protocol=99), replace(want, priority=4999, protocol=99)]

    assert steps(Wanted(rules=(want,)), Found(rules=others), TABLE) == [Step(Change.ADD, want)]
    stands_in = replace(want, protocol=99)
    assert steps(Wanted(rules=(want,)), Found(rules=[stands_in]), TABLE) == []
    assert steps(Wanted(rules=(want,)), Found(rules=[plain]), TABLE) == [
        Step(Change.REMOVE, plain),
        Step(Change.ADD, want),
    ]
