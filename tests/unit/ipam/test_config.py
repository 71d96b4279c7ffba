"""What the `ipam` object may say, and what is said about it when it may not."""

from __future__ import annotations

import logging
from ipaddress import ip_network
from typing import Any

import pytest

from cni.protocol.errors import CniError, Code
from ipam.config import IpamConfig, read
from ipam.node_file import NodeFile
from ipam.ranges import MAX_SLOT, Span, intersect

SUBNET = {"subnet": "10.60.0.0/24"}
DUAL = {"subnet": ["fd00:60::/64", "10.60.0.0/24"]}
RAILS = {
    "fabric": "backend",
    "rail": "roce-a",
    "rails": {"roce-a": "10.60.0.0/24", "roce-b": ["10.61.0.0/24"]},
}


def configure(**ipam: Any) -> IpamConfig:
    return read({"ipam": {"type": "rail-ipam", **ipam}})


def usable(**ipam: Any) -> list[Span]:
    layout = configure(**ipam).layout
    return list(intersect(layout.rail.usable, layout.limits))


def test_a_bare_subnet_is_a_fabric_by_itself() -> None:
    layout = configure(subnet="10.60.0.0/24").layout
    assert (layout.fabric, layout.rail.name, layout.siblings) == (
        "10.60.0.0/24",
        "10.60.0.0/24",
        (),
    )
    assert configure(**DUAL).layout.fabric == "10.60.0.0/24, fd00:60::/64"


def test_a_range_limits_one_network_and_not_its_rail() -> None:
    layout = configure(**SUBNET, rangeStart="10.60.0.9", rangeEnd="10.60.0.9").layout
    assert (layout.rail.usable, layout.limits) == ((Span(1, 254),), (Span(9, 9),))


def test_rails_say_the_subnet_and_the_siblings() -> None:
    config = configure(**RAILS)
    assert config.subnets == (ip_network("10.60.0.0/24"),)
    assert [rail.name for rail in config.layout.siblings] == ["roce-b"]
    assert config.quarantine == 60


@pytest.mark.parametrize(
    ("ipam", "expected"),
    [
        (SUBNET, [Span(1, 254)]),
        (SUBNET | {"gateway": "10.60.0.1"}, [Span(2, 254)]),
        (SUBNET | {"rangeStart": "10.60.0.9"}, [Span(9, 254)]),
        (SUBNET | {"rangeStart": "10.60.0.0", "rangeEnd": "10.60.0.255"}, [Span(1, 254)]),
        (
            DUAL | {"rangeStart": "10.60.0.9", "rangeEnd": ["fd00:60::40", "10.60.0.80"]},
            [Span(9, 64)],
        ),
        (DUAL | {"gateway": ["10.60.0.1", "fd00:60::2"]}, [Span(3, 254)]),
        (SUBNET | {"exclude": ["10.60.0.0/28"]}, [Span(16, 254)]),
        (SUBNET | {"exclude": ["10.60.0.5", "10.60.0.7-10.60.0.9"]}, [
            Span(1, 4), Span(6, 6), Span(10, 254),
        ]),
        (SUBNET | {"exclude": "10.60.0.128-10.61.0.0"}, [Span(1, 127)]),
        (DUAL | {"exclude": ["fd00:60::/124"]}, [Span(16, 254)]),
        ({"subnet": "fd00:60::/64", "exclude": ["fd00:60::ffff:0:0:0/66"]}, None),
        ({"subnet": "fd00:60::/64", "exclude": ["fd00:60::8000:0:0:0/65"]}, [Span(1, MAX_SLOT)]),
        (RAILS | {"exclude": ["10.61.0.1"]}, [Span(2, 254)]),
    ],
)  # fmt: skip
def test_what_is_left_to_give_out(ipam: dict[str, Any], expected: list[Span] | None) -> None:
    if expected is None:
        with pytest.raises(CniError, match="no host bits"):
            configure(**ipam)
    else:
        assert usable(**ipam) == expected


@pytest.mark.parametrize(
    ("ipam", "words"),
    [
        ({}, "ipam.subnet is missing"),
        ({"subnet": "10.60.0.1/24"}, "ipam.subnet is '10.60.0.1/24', expected 10.60.0.0/24"),
        ({"subnet": "ten"}, "ipam.subnet is 'ten', expected a network such as 10.60.0.0/16"),
        ({"subnet": 10}, "ipam.subnet is 10, expected a network such as 10.60.0.0/16"),
        ({"subnet": []}, "expected one value, or a list with one per family"),
        ({"subnet": ["10.0.0.0/24", "10.1.0.0/24"]}, "one per family"),
        ({"subnet": "10.60.0.0/31"}, "a prefix length from /8 to /30 in IPv4"),
        ({"subnet": "10.60.0.0/32"}, "a prefix length from /8 to /30 in IPv4"),
        ({"subnet": "128.0.0.0/1"}, "a prefix length from /8 to /30 in IPv4"),
        ({"subnet": "fd00::/127"}, "a prefix length from /16 to /126 in IPv6"),
        ({"subnet": "224.0.0.0/16"}, "a unicast network"),
        ({"subnet": "127.0.0.0/8"}, "a unicast network"),
        (SUBNET | {"rangeStart": "10.61.0.1"}, "ipam.rangeStart is 10.61.0.1, expected one in"),
        (SUBNET | {"rangeEnd": "fd00::1"}, "ipam.rangeEnd is fd00::1, expected one in 10.60"),
        (SUBNET | {"rangeStart": "10.60.0.9", "rangeEnd": "10.60.0.8"},
         "ipam.rangeStart is 10.60.0.9, expected one not above ipam.rangeEnd, 10.60.0.8"),
        (SUBNET | {"gateway": "10.60.1.1"}, "ipam.gateway is 10.60.1.1, expected one in"),
        (SUBNET | {"gateway": "10.60.0.255"}, "expected one that a host of 10.60.0.0/24 may have"),
        (SUBNET | {"gateway": "10.60.0.1/24"}, "expected an address such as"),
        ({"subnet": "fd00::/64", "gateway": "fd00::"}, "a host of fd00::/64 may have"),
        (SUBNET | {"exclude": ["10.61.0.0/24"]}, "ipam.exclude has 10.61.0.0-10.61.0.255"),
        (SUBNET | {"exclude": ["10.60.0.1", "x"]}, "expected 'x' to be a network such as"),
        (SUBNET | {"exclude": ["10.60.0.9-10.60.0.1"]}, "the lower address first"),
        (SUBNET | {"exclude": ["10.60.0.9-fd00::1"]}, "a range a-b of one family"),
        (SUBNET | {"exclude": ["10.60.0.0/24"]}, "ipam leaves no address to give out"),
        (DUAL | {"rangeEnd": "10.60.0.9", "rangeStart": "fd00:60::10"}, "leaves no address"),
        (SUBNET | {"fabric": "backend"}, "ipam.rail is missing: it goes with ipam.fabric"),
        (SUBNET | {"rail": "roce-a"}, "ipam.fabric is missing: it goes with ipam.rail"),
        (SUBNET | {"fabric": "a b", "rail": "r"}, "ipam.fabric is 'a b', expected"),
        (RAILS | {"rail": "roce-c"}, "ipam.rail is 'roce-c', expected a key of ipam.rails"),
        (SUBNET | {"rails": {"a": "10.60.0.0/24"}}, "expected a key of ipam.rails: a"),
        (RAILS | {"subnet": "10.62.0.0/24"}, "expected what ipam.rails says of roce-a: 10.60.0"),
        (RAILS | {"rails": {"roce-a": "x"}}, "ipam.rails.roce-a is 'x', expected a network"),
        (SUBNET | {"routes": [{"dst": "0.0.0.0/0"}]}, "the pod's only default route"),
        (SUBNET | {"routes": [{"dst": "::/0", "gw": "fe80::1"}]}, "the pod's only default route"),
        (SUBNET | {"routes": [{"gw": "10.60.0.1"}]}, 'an object {"dst": …}'),
        (SUBNET | {"routes": [{"dst": "10.0.0.0/8", "mut": 1}]}, "with keys of advmss, dst, gw"),
        (SUBNET | {"routes": [{"dst": "10.0.0.0/8", "mtu": "big"}]}, "ipam.routes.0.mtu is 'big'"),
        (SUBNET | {"dns": "8.8.8.8"}, "ipam.dns is '8.8.8.8'"),
        (SUBNET | {"quarantine": -1}, "ipam.quarantine is -1, expected a number of seconds"),
        (SUBNET | {"quarantine": "60"}, "is '60', expected a number of seconds from 0 to 31536000"),
        (SUBNET | {"quarantine": 1e300}, "ipam.quarantine is 1e+300, expected a number of seconds"),
        (SUBNET | {"quarantine": float("nan")}, "ipam.quarantine is nan, expected a number"),
        (SUBNET | {"quarantine": True}, "ipam.quarantine is True, expected a number of seconds"),
        (SUBNET | {"fabric": 5, "rail": "r"}, "ipam.fabric is 5, expected a name of letters"),
        (SUBNET | {"fabric": "f", "rail": "r\n"}, "expected a name of letters, digits, '_'"),
        (SUBNET | {"gateway": "fe80::1%eth0"}, "expected an address such as 10.60.0.1"),
        (SUBNET | {"gateway": 5}, "ipam.gateway is 5, expected an address such as 10.60.0.1"),
        (SUBNET | {"exclude": [5]}, "expected 5 to be a network such as 10.60.0.0/16"),
        (SUBNET | {"routes": [{"dst": "10.0.0.0/8", "priority": -1}]},
         "ipam.routes.0.priority is -1, expected an integer from 0 to 4294967295"),
        (SUBNET | {"declared": {}}, "ipam.declared is {}, expected no such key: the node file"),
        (SUBNET | {"routes": [{"dst": "10.0.0.0/8", "gw": "x"}]},
         "ipam.routes.0.gw is 'x', expected an address such as 10.60.0.1"),
    ],
)  # fmt: skip
def test_a_bad_value_is_named_with_what_was_expected(ipam: dict[str, Any], words: str) -> None:
    with pytest.raises(CniError) as caught:
        configure(**ipam)
    assert caught.value.code == Code.INVALID_CONFIG
    assert words in caught.value.msg


@pytest.mark.parametrize("section", [None, [], "rail-ipam"])
def test_no_ipam_object(section: object) -> None:
    with pytest.raises(CniError, match="expected an object such as"):
        read({"ipam": section})


def test_unknown_keys_are_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        configure(**SUBNET, exlcude=["10.60.0.1"])
    assert "exlcude" in caplog.text


ETCD = {"endpoints": ["etcd-0:2379"]}
BACKEND = {
    "exclude": "10.61.0.4",
    "static": "10.60.0.64/26",
    "rails": {
        "roce-a": {"subnet": "10.60.0.0/24", "gateway": "10.60.0.1"},
        "roce-b": {"subnet": "10.61.0.0/24"},
    },
}
LAB = {"registry": "local", "rails": {"bench": {"subnet": "10.90.0.0/24"}}}
CLUSTER = NodeFile.model_validate({"etcd": ETCD, "fabrics": {"backend": BACKEND, "lab": LAB}})
SINGLE = NodeFile.model_validate({"fabrics": {"lab": LAB}})
ROCE_A = {"fabric": "backend", "rail": "roce-a"}


def on(node_file: NodeFile, **ipam: Any) -> IpamConfig:
    return read({"ipam": {"type": "rail-ipam", **ipam}}, node_file)


@pytest.mark.parametrize(
    "ipam",
    [
        ROCE_A,
        {"subnet": "10.60.0.0/24"},
        ROCE_A | {"subnet": "10.60.0.0/24"},
        ROCE_A | {"rails": {"roce-b": "10.61.0.0/24", "roce-a": "10.60.0.0/24"}},
        ROCE_A | {"gateway": "10.60.0.1", "exclude": ["10.60.0.4"]},
    ],
)
def test_the_node_file_says_the_rest(ipam: dict[str, Any]) -> None:
    config = on(CLUSTER, **ipam)
    assert config.shared
    assert config.definition == CLUSTER.definitions["backend"]
    layout = config.layout
    assert (layout.fabric, layout.closed) == ("backend", True)
    assert [rail.name for rail in layout.told] == ["roce-a", "roce-b"]
    # Static slots among them: they may be asked for.
    assert {rail.usable for rail in layout.told} == {(Span(2, 3), Span(5, 254))}
    (subnet,) = config.subnets
    assert str(config.gateway_for(subnet)) == "10.60.0.1"


def test_a_network_may_give_a_part() -> None:
    layout = on(CLUSTER, **ROCE_A, rangeStart="10.60.0.9", rangeEnd="10.60.0.20").layout
    assert layout.limits == (Span(9, 20),)


def test_a_fabric_of_one_node() -> None:
    for node_file in (CLUSTER, SINGLE):
        config = on(node_file, fabric="lab", rail="bench")
        assert (config.definition, config.shared) == (node_file.definitions["lab"], False)


@pytest.mark.parametrize("ipam", [SUBNET, RAILS])
def test_what_no_node_file_declares_is_as_without_one(ipam: dict[str, Any]) -> None:
    for node_file in (NodeFile(), SINGLE):
        config = on(node_file, **ipam)
        assert (config.definition, config.shared) == (None, False)
        assert config.layout == configure(**ipam).layout


def test_a_shared_fabric_has_no_slot_beyond_the_registrys() -> None:
    wide = {"rails": {"r": {"subnet": "fd00:60::/64"}}}
    node_file = NodeFile.model_validate({"etcd": ETCD, "fabrics": {"wide": wide}})
    assert on(node_file, subnet="fd00:60::/64").layout.limits == (Span(0, 2**32 - 1),)


def test_sticky_addresses() -> None:
    config = on(CLUSTER, **ROCE_A, sticky="pod")
    assert (config.sticky, config.sticky_on_lost_node, config.sticky_ttl) == ("pod", "wait", 14400)
    config = on(CLUSTER, **ROCE_A, sticky="pod", stickyOnLostNode="fresh", stickyTTL=60)
    assert (config.sticky_on_lost_node, config.sticky_ttl) == ("fresh", 60)
    assert configure(**SUBNET).sticky is None


@pytest.mark.parametrize(
    ("ipam", "words"),
    [
        ({"fabric": "storage", "rail": "s"}, "ipam.fabric is 'storage', expected a fabric that"),
        ({"subnet": "10.9.0.0/24"}, "expected a subnet that the node file declares: backend ("),
        ({"subnet": "10.60.0.0/25"}, "ipam.subnet is '10.60.0.0/25', expected a subnet that"),
        (ROCE_A | {"rail": "x"}, "ipam.rail is 'x', expected a rail that the node file declares"),
        ({"fabric": "backend"}, "ipam.rail is missing: it goes with ipam.fabric"),
        ({"fabric": 7, "rail": "r"}, "ipam.fabric is 7, expected a name"),
        ({"subnet": 7}, "ipam.subnet is 7, expected a network"),
        ({}, "ipam.subnet is missing"),
        (ROCE_A | {"subnet": "10.61.0.0/24"}, "ipam.subnet is 10.61.0.0/24, expected what the no"),
        (ROCE_A | {"rails": {"roce-a": "10.60.0.0/24"}}, "ipam.rails is roce-a 10.60.0.0/24, exp"),
        (ROCE_A | {"exclude": ["10.60.0.9"]}, "ipam.exclude is 10.60.0.9, expected none but what"),
        (ROCE_A | {"gateway": "10.60.0.9"}, "ipam.gateway is 10.60.0.9, expected none but wh"),
        (ROCE_A | {"gateway": "fd00::1"}, "ipam.gateway is fd00::1, expected one in 10.60.0.0/24"),
        (ROCE_A | {"declared": {"shared": True}}, "expected no such key: the node file declares"),
        (ROCE_A | {"sticky": "node"}, "ipam.sticky is 'node', expected 'pod'"),
        (ROCE_A | {"stickyTTL": 0}, "ipam.stickyTTL is 0, expected a number of seconds from 1 to"),
        (ROCE_A | {"stickyTTL": True}, "ipam.stickyTTL is True, expected a number of seconds"),
        (ROCE_A | {"stickyTTL": 60}, "ipam.sticky is missing: it goes with ipam.stickyTTL"),
        ({"fabric": "lab", "rail": "bench", "sticky": "pod"},
         "ipam.sticky is given, expected a fabric that the node file declares in etcd"),
    ],
)  # fmt: skip
def test_a_network_that_contradicts_the_node_file(ipam: dict[str, Any], words: str) -> None:
    with pytest.raises(CniError) as caught:
        on(CLUSTER, **ipam)
    assert caught.value.code == Code.INVALID_CONFIG
    assert words in caught.value.msg


def test_sticky_addresses_come_from_a_static_range() -> None:
    fabrics = {"backend": BACKEND | {"static": []}}
    node_file = NodeFile.model_validate({"etcd": ETCD, "fabrics": fabrics})
    with pytest.raises(CniError, match=r"ipam\.sticky is given, expected fabric backend to have a"):
        on(node_file, **ROCE_A, sticky="pod")
    with pytest.raises(CniError, match=r"ipam\.stickyOnLostNode is given, expected a fabric that"):
        configure(**SUBNET, stickyOnLostNode="wait")


def test_a_cluster_whose_node_file_declares_nothing() -> None:
    with pytest.raises(CniError, match="declares: it declares none") as caught:
        on(NodeFile.model_validate({"etcd": ETCD}), **SUBNET)
    assert 'registry = "local"' in caught.value.details
