"""Routes and rules that are added and removed."""

from __future__ import annotations

import errno
import socket
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import MAIN_TABLE, Link, Route, Rule
from tests.contract.kernel.worlds import refuses

SIBLING = ip_network("10.61.0.0/16")
SIBLING6 = ip_network("fd00:61::/64")
GATEWAY, GATEWAY6 = ip_address("10.60.0.1"), ip_address("fd00:60::1")
OWN, OWN6 = ip_interface("10.60.0.2/16"), ip_interface("fd00:60::2/64")
LINK_SCOPE = 253
ANYWHERE = ip_network("0.0.0.0/0")
RULES = [
    Rule(ip_network("10.60.0.2/32"), 1000, 500),
    Rule(ip_network("fd00:60::2/128"), 100_000, 500),
    Rule(ip_network("0.0.0.0/0"), 142, 5000, to=ip_network("10.42.0.0/16"), protocol=142),
    Rule(ip_network("::/0"), 142, 5000, to=ip_network("fd00:42::/56"), protocol=142),
    Rule(ANYWHERE, 142, 5000, protocol=142, mark=0x40, mask=0x40),
    Rule(ANYWHERE, 142, 5000, protocol=142, mark=0, mask=0x40),
    Rule(ANYWHERE, 142, 5000, protocol=142, ip_protocol=socket.IPPROTO_UDP),
    Rule(ANYWHERE, 142, 5000, protocol=142, ip_protocol=socket.IPPROTO_UDP, port=4790),
    Rule(ANYWHERE, 142, 5000, protocol=142, ip_protocol=socket.IPPROTO_UDP, source_port=4790),
    Rule(
        ip_network("::/0"),
        142,
        5000,
        to=ip_network("fd00:42::/56"),
        protocol=142,
        mark=0x8000_0040,
        mask=0xFFFF_FFFF,
        ip_protocol=socket.IPPROTO_TCP,
        port=65534,
    ),
]


@pytest.fixture
def rail(pod: Namespace, up: Link) -> Link:
    """A link that is up and has addresses."""
    pod.add_address(up.index, OWN)
    pod.add_address(up.index, OWN6)
    return up


def added(pod: Namespace, index: int) -> list[Route]:
    return [route for route in pod.routes(index) if route.protocol != 2]


def via(index: int) -> list[Route]:
    return [
        Route(SIBLING, index, GATEWAY, priority=100),
        Route(SIBLING6, index, GATEWAY6, priority=100),
    ]


@pytest.mark.parametrize("family", [0, 1])
def test_by_gateway(pod: Namespace, rail: Link, family: int) -> None:
    route = via(rail.index)[family]
    pod.add_route(route)
    assert added(pod, rail.index) == [route]

    pod.remove_route(route)
    assert added(pod, rail.index) == []


@pytest.mark.parametrize("family", [0, 1])
def test_with_everything(pod: Namespace, rail: Link, family: int) -> None:
    route = replace(
        via(rail.index)[family],
        table=100_000,
        mtu=8000,
        advmss=7000,
        source=(OWN.ip, OWN6.ip)[family],
        protocol=99,
    )
    pod.add_route(route)
    assert added(pod, rail.index) == [route]

    pod.remove_route(route)
    assert added(pod, rail.index) == []


def test_on_link_it_gets_link_scope(pod: Namespace, rail: Link) -> None:
    pod.add_route(Route(SIBLING, rail.index))

    assert added(pod, rail.index) == [Route(SIBLING, rail.index, scope=LINK_SCOPE)]


def test_ipv6_metric_0_becomes_1024(pod: Namespace, rail: Link) -> None:
    pod.add_route(Route(SIBLING6, rail.index))

    assert added(pod, rail.index) == [Route(SIBLING6, rail.index, priority=1024)]


def test_default_routes(pod: Namespace, rail: Link) -> None:
    default = Route(ip_network("0.0.0.0/0"), rail.index, GATEWAY)
    default6 = Route(ip_network("::/0"), rail.index, GATEWAY6, priority=7)
    pod.add_route(default)
    pod.add_route(default6)

    assert sorted(added(pod, rail.index), key=lambda r: r.dst.version) == [default, default6]


def test_ipv4_by_an_ipv6_gateway(pod: Namespace, rail: Link) -> None:
    route = Route(SIBLING, rail.index, ip_address("fe80::1"))
    pod.add_route(route)
    assert added(pod, rail.index) == [route]

    pod.remove_route(route)
    assert added(pod, rail.index) == []


def test_one_destination_in_two_tables(pod: Namespace, rail: Link) -> None:
    main, other = via(rail.index)[0], replace(via(rail.index)[0], table=1000)
    pod.add_route(main)
    pod.add_route(other)
    assert {route.table for route in added(pod, rail.index)} == {MAIN_TABLE, 1000}

    pod.remove_route(other)
    assert added(pod, rail.index) == [main]


def test_only_the_routes_of_one_link(pod: Namespace, pair: tuple[Link, Link], rail: Link) -> None:
    pod.add_route(via(rail.index)[0])

    assert added(pod, pair[1].index) == []
    assert list(pod.routes(9999)) == []


@pytest.mark.parametrize("family", [0, 1])
def test_the_same_destination_again(pod: Namespace, rail: Link, family: int) -> None:
    route = via(rail.index)[family]
    pod.add_route(route)

    refuses(errno.EEXIST, lambda: pod.add_route(route))


@pytest.mark.parametrize(
    ("dst", "gateway", "number"),
    [(SIBLING, "10.99.0.1", errno.ENETUNREACH), (SIBLING6, "fd99::1", errno.EHOSTUNREACH)],
)
def test_a_gateway_that_is_not_on_link(
    pod: Namespace, rail: Link, dst: object, gateway: str, number: int
) -> None:
    route = Route(ip_network(str(dst)), rail.index, ip_address(gateway))

    refuses(number, lambda: pod.add_route(route))


@pytest.mark.parametrize("family", [0, 1])
def test_a_link_that_is_down_takes_no_route(pod: Namespace, link: Link, family: int) -> None:
    route = replace(via(link.index)[family], gateway=None)

    refuses(errno.ENETDOWN, lambda: pod.add_route(route))


@pytest.mark.parametrize("family", [0, 1])
def test_a_link_that_is_not_there_takes_no_route(pod: Namespace, family: int) -> None:
    refuses(errno.ENODEV, lambda: pod.add_route(replace(via(9999)[family], gateway=None)))
    refuses(errno.ESRCH, lambda: pod.remove_route(via(9999)[family]))


def test_a_source_that_is_not_ours(pod: Namespace, rail: Link) -> None:
    route = replace(via(rail.index)[0], source=ip_address("10.77.0.1"))

    refuses(errno.EINVAL, lambda: pod.add_route(route))


@pytest.mark.parametrize("family", [0, 1])
def test_a_route_that_is_not_there(pod: Namespace, rail: Link, family: int) -> None:
    route = via(rail.index)[family]

    refuses(errno.ESRCH, lambda: pod.remove_route(route))
    pod.add_route(route)
    refuses(errno.ESRCH, lambda: pod.remove_route(replace(route, priority=7)))
    refuses(errno.ESRCH, lambda: pod.remove_route(replace(route, table=1000)))
    refuses(errno.ESRCH, lambda: pod.remove_route(replace(route, protocol=99)))


def test_the_kernels_own_route_can_be_removed(pod: Namespace, rail: Link) -> None:
    (subnet,) = (route for route in pod.routes(rail.index) if route.dst == OWN.network)
    pod.remove_route(subnet)

    assert subnet not in pod.routes(rail.index)


def test_down_takes_the_added_routes_for_good(pod: Namespace, rail: Link) -> None:
    for route in via(rail.index):
        pod.add_route(route)

    pod.set_down(rail.index)
    pod.set_up(rail.index)

    assert added(pod, rail.index) == []


def test_the_rules_of_a_new_namespace(pod: Namespace) -> None:
    rules = [(str(rule.source), rule.table, rule.priority) for rule in pod.rules()]

    assert rules == [
        ("0.0.0.0/0", 255, 0),
        ("0.0.0.0/0", 254, 32766),
        ("0.0.0.0/0", 253, 32767),
        ("::/0", 255, 0),
        ("::/0", 254, 32766),
    ]


def test_rules(pod: Namespace) -> None:
    before = list(pod.rules())
    for rule in RULES:
        pod.add_rule(rule)
    assert set(pod.rules()) - set(before) == set(RULES)

    for rule in RULES:
        pod.remove_rule(rule)
    assert list(pod.rules()) == before


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_twice_and_none(pod: Namespace, rule: Rule) -> None:
    refuses(errno.ENOENT, lambda: pod.remove_rule(rule))
    pod.add_rule(rule)
    refuses(errno.EEXIST, lambda: pod.add_rule(rule))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_goes_with_the_one_who_made_it(pod: Namespace, rule: Rule) -> None:
    other = replace(rule, protocol=99)
    pod.add_rule(other)
    refuses(errno.ENOENT, lambda: pod.remove_rule(replace(rule, protocol=98)))
    pod.remove_rule(other)
    assert other not in pod.rules()

    pod.add_rule(other)
    pod.remove_rule(replace(rule, protocol=0))
    assert other not in pod.rules()


def test_the_last_port_has_no_rule(pod: Namespace) -> None:
    rule = Rule(ANYWHERE, 142, 5000, ip_protocol=socket.IPPROTO_UDP, port=65535)

    refuses(errno.EINVAL, lambda: pod.add_rule(rule))


def test_what_a_rule_leaves_open_any_rule_has(pod: Namespace) -> None:
    marked = Rule(ANYWHERE, 142, 5000, protocol=142, mark=0x40, mask=0x40)
    plain = replace(marked, mark=0, mask=0)
    for rule in (marked, plain):
        pod.add_rule(rule)

    pod.remove_rule(plain)
    assert [rule for rule in pod.rules() if rule.table == 142] == [plain]

    refuses(errno.ENOENT, lambda: pod.remove_rule(marked))


def test_a_rule_with_a_mark_is_told_from_one_without(pod: Namespace) -> None:
    marked = Rule(ANYWHERE, 142, 5000, protocol=142, mark=0x40, mask=0x40)
    others = {replace(marked, mark=0, mask=0), replace(marked, mask=0xFF), replace(marked, mark=0)}
    for rule in (*others, marked):
        pod.add_rule(rule)

    pod.remove_rule(marked)
    assert {rule for rule in pod.rules() if rule.table == 142} == others


def test_a_whole_table(pod: Namespace, pair: tuple[Link, Link], rail: Link) -> None:
    routes = [replace(route, table=142, protocol=142) for route in via(rail.index)]
    other = Route(ip_network("10.62.0.0/16"), pair[1].index, table=142, scope=LINK_SCOPE)
    elsewhere = replace(routes[0], table=143)
    assert list(pod.table(142)) == []
    for route in (*routes, other, elsewhere):
        pod.add_route(route)

    assert set(pod.table(142)) == {*routes, other}
    assert list(pod.table(143)) == [elsewhere]
    assert {route.index for route in pod.table(MAIN_TABLE)} <= {rail.index, pair[1].index}


@pytest.mark.parametrize(
    ("destination", "gateway", "source"),
    [
        ("10.60.0.9", None, OWN.ip),
        ("10.61.0.9", GATEWAY, OWN.ip),
        ("fd00:60::9", None, OWN6.ip),
        ("fd00:61::9", GATEWAY6, OWN6.ip),
    ],
)
def test_the_way_to_a_destination(
    pod: Namespace, rail: Link, destination: str, gateway: object, source: object
) -> None:
    for route in via(rail.index):
        pod.add_route(route)
    way = pod.way_to(ip_address(destination))
    assert way is not None
    assert (way.index, way.gateway, way.source) == (rail.index, gateway, source)
    assert way.dst == ip_network(destination)


def test_no_way(pod: Namespace, rail: Link) -> None:
    assert rail.up
    assert pod.way_to(ip_address("203.0.113.1")) is None
    assert pod.way_to(ip_address("2001:db8::1")) is None
