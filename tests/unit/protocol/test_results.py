"""One result, in the form of each version of the specification."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from cni.protocol.errors import CniError, Code
from cni.protocol.results import Dns, Interface, Ip, Result, Route, parse, render
from cni.protocol.versions import RULES

RESULT = Result(
    interfaces=(Interface(name="net1", mac="02:00:00:00:00:01", mtu=9000, sandbox="/run/netns/c1",
                          pci_id="0000:3b:02.1"),),
    ips=(
        Ip(address=ip_interface("10.60.0.2/16"), gateway=ip_address("10.60.0.1"), interface=0),
        Ip(address=ip_interface("fd00:60::2/64"), interface=0),
    ),
    routes=(
        Route(dst=ip_network("10.61.0.0/16"), gw=ip_address("10.60.0.1"), priority=100),
        Route(dst=ip_network("fd00:61::/64")),
    ),
    dns=Dns(nameservers=("10.0.0.53",)),
)  # fmt: skip


def test_1_1_0_has_the_details() -> None:
    assert render(RESULT, "1.1.0") == {
        "cniVersion": "1.1.0",
        "interfaces": [
            {
                "name": "net1",
                "mac": "02:00:00:00:00:01",
                "mtu": 9000,
                "sandbox": "/run/netns/c1",
                "pciID": "0000:3b:02.1",
            }
        ],
        "ips": [
            {"address": "10.60.0.2/16", "gateway": "10.60.0.1", "interface": 0},
            {"address": "fd00:60::2/64", "interface": 0},
        ],
        "routes": [
            {"dst": "10.61.0.0/16", "gw": "10.60.0.1", "priority": 100},
            {"dst": "fd00:61::/64"},
        ],
        "dns": {"nameservers": ["10.0.0.53"]},
    }


def test_1_0_0_has_none_of_them() -> None:
    document = render(RESULT, "1.0.0")
    assert document["interfaces"] == [
        {"name": "net1", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/c1"}
    ]
    assert document["routes"][0] == {"dst": "10.61.0.0/16", "gw": "10.60.0.1"}


@pytest.mark.parametrize("version", ["0.3.0", "0.3.1", "0.4.0"])
def test_before_1_0_0_each_address_names_its_family(version: str) -> None:
    assert [ip["version"] for ip in render(RESULT, version)["ips"]] == ["4", "6"]


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_the_first_versions_have_one_address_per_family(version: str) -> None:
    assert render(RESULT, version) == {
        "cniVersion": version,
        "ip4": {
            "ip": "10.60.0.2/16",
            "gateway": "10.60.0.1",
            "routes": [{"dst": "10.61.0.0/16", "gw": "10.60.0.1"}],
        },
        "ip6": {"ip": "fd00:60::2/64", "routes": [{"dst": "fd00:61::/64"}]},
        "dns": {"nameservers": ["10.0.0.53"]},
    }


@pytest.mark.parametrize("version", RULES)
def test_what_is_rendered_can_be_read_again(version: str) -> None:
    again = parse(render(RESULT, version))
    assert [ip.address for ip in again.ips] == [ip.address for ip in RESULT.ips]
    assert [route.dst for route in again.routes] == [route.dst for route in RESULT.routes]
    assert render(again, version) == render(parse(render(again, version)), version)


def test_1_1_0_survives_whole() -> None:
    assert parse(render(RESULT, "1.1.0")) == RESULT


def test_an_empty_result_is_a_result() -> None:
    for version in RULES:
        assert render(Result(), version) == {"cniVersion": version, "dns": {}}


@pytest.mark.parametrize(
    ("document", "named"),
    [
        ({"ips": [{"address": "10.60.0.300/16"}]}, "prevResult.ips.0.address"),
        ({"ips": [{}]}, "prevResult.ips.0.address"),
        ({"routes": [{"dst": "10.60.0.1/16"}]}, "prevResult.routes.0.dst"),
        ({"interfaces": [{}]}, "prevResult.interfaces.0.name is missing"),
        ({"ip4": {"ip": 7}}, "prevResult.ip4.ip is 7, expected an address such as 10.60.0.2/16"),
        ({"ip4": 5}, "prevResult.ip4 is 5"),
        ({"ip4": {"ip": "10.0.0.1/24", "routes": 5}}, "prevResult.ip4.routes is 5"),
        ({"ip4": {"ip": "10.0.0.1/24", "routes": [5]}}, "prevResult.ip4.routes.0 is 5"),
        ({"ips": [{"address": ["10.0.0.1", 24]}]}, "prevResult.ips.0.address is ['10.0.0.1', 24]"),
        ([], "prevResult is []"),
    ],
)
def test_what_is_malformed_is_named(document: object, named: str) -> None:
    with pytest.raises(CniError) as caught:
        parse(document, below="prevResult")
    assert named in caught.value.msg


@pytest.mark.parametrize(
    ("key", "bad", "form"),
    [
        ("priority", [-1, 2**32, True, "1", 1.0], "an integer from 0 to 4294967295"),
        ("table", [0, 255, 2**40, True, "254"], "an integer from 1 to 4294967295, not 255"),
        ("mtu", [-1, 65536], "an integer from 0 to 65535"),
        ("advmss", [-1, 2**33], "an integer from 0 to 65535"),
        ("scope", [-1, 300], "an integer from 0 to 255"),
    ],
)
def test_a_routes_numbers_fit_the_kernels(key: str, bad: list[object], form: str) -> None:
    for value in bad:
        with pytest.raises(CniError) as caught:
            parse({"routes": [{"dst": "10.61.0.0/16", key: value}]})
        assert caught.value.code == Code.INVALID_CONFIG
        assert caught.value.msg == f"routes.0.{key} is {value!r}, expected {form}"


def test_a_routes_largest_numbers_are_kept() -> None:
    largest = {"priority": 2**32 - 1, "table": 2**32 - 1, "mtu": 65535, "advmss": 0, "scope": 255}
    route = {"dst": "10.61.0.0/16", **largest}
    assert render(parse({"routes": [route]}), "1.1.0")["routes"] == [route]
