"""What looks alike and is not the same: devices, routes, rules."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

from cni.kernel.types import Link, Route
from cni.rail import routes
from cni.rail.attachment import DeviceIdentity
from cni.rail.device import recognise

INDEX = 7
VETH = DeviceIdentity(
    pci_address="", bus_address="", host_name="dev0", kind="veth", permanent_mac="",
    macs=("02:00:00:00:00:05",), lower=6,
)  # fmt: skip
LINK = Link(
    index=5, name="dev0", mac="02:00:00:00:00:05", mtu=1500, up=False, carrier=False,
    kind="veth", lower=6,
)  # fmt: skip


def test_a_device_with_a_recycled_peer_index_is_another_one() -> None:
    assert VETH.is_same(VETH.model_copy(update={"macs": (*VETH.macs, "02:00:00:00:60:01")}))
    assert not VETH.is_same(VETH.model_copy(update={"macs": ("02:00:00:00:99:99",)}))


def test_the_name_that_we_gave_it_tells_it_from_one_with_its_mac() -> None:
    named = replace(LINK, index=9, name="rail0badcafe", mac="02:00:00:00:99:99")
    for links in ([LINK, named], [named, LINK]):
        assert recognise(links, VETH, name="rail0badcafe") == named


def test_a_route_by_another_gateway_or_in_another_table_is_another_route() -> None:
    own = Route(ip_network("10.61.0.0/16"), INDEX, gateway=ip_address("10.60.0.1"))
    for other in (replace(own, gateway=ip_address("10.60.0.66")), replace(own, table=99)):
        assert routes.foreign_routes([other], [own], ()) == (other,)
        assert routes.missing_routes([other], [own]) == (own,)


def test_a_route_that_the_kernel_made_for_somebody_elses_address_is_foreign() -> None:
    addresses = (ip_interface("10.60.4.210/16"),)
    foreign = Route(ip_network("10.43.0.0/16"), INDEX, protocol=2, scope=253)
    assert routes.foreign_routes([foreign], (), addresses) == (foreign,)


def test_a_route_to_our_own_subnet_that_the_kernel_did_not_make_is_foreign() -> None:
    addresses = (ip_interface("10.60.4.210/16"),)
    detour = Route(ip_network("10.60.0.0/16"), INDEX, gateway=ip_address("10.60.0.66"))
    assert routes.foreign_routes([detour], (), addresses) == (detour,)


def test_the_rule_of_an_address_comes_before_the_main_table() -> None:
    (rule,) = routes.source_rules((ip_interface("10.60.4.210/16"),), INDEX)
    assert 0 < rule.priority < 32766
