"""A rail carries its fabric's routes and no others; replies leave by the rail they are about.

Debian's `static` plugin stands for an IPAM plugin that knows nothing of rails.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from typing import Any

import pytest

from tests.spec.node import Namespace, Node, port_of
from tests.spec.runtime import NOTHING, Runtime, Slot, rail
from tests.spec.wire import is_echo_reply, received

pytestmark = pytest.mark.netns

BACKEND = {"roce-a": "10.60.0.0/16", "roce-b": "10.61.0.0/16"}
FOREIGN = [
    pytest.param(["0.0.0.0/0"], id="a default route"),
    pytest.param(["::/0"], id="an IPv6 default route"),
    pytest.param(["0.0.0.0/1", "128.0.0.0/1"], id="its halves"),
    pytest.param(["0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/2"], id="its quarters"),
    pytest.param(["2000::/3"], id="the whole IPv6 Internet"),
    pytest.param(["10.0.0.0/8"], id="more than the fabric"),
    pytest.param(["10.96.0.0/12"], id="the services of the cluster"),
]


@pytest.fixture
def pod(node: Node) -> Namespace:
    return node.pod()


@pytest.mark.parametrize("foreign", FOREIGN)
def test_foreign_routes_are_left_out_with_a_warning_that_names_them(
    node: Node, runtime: Runtime, pod: Namespace, foreign: list[str]
) -> None:
    config = _static(node.device(), ["10.60.7.0/24", *foreign], prefixes=["10.60.0.0/16"])
    added = runtime.add(config, Slot(pod.path))
    assert [route["dst"] for route in added.document["routes"]] == ["10.60.7.0/24"]
    assert pod.destinations("net1") == {"10.60.0.0/24", "10.60.7.0/24", "fd00:60::/64"}
    for route in foreign:
        assert f"route {route}" in added.stderr or f", {route}" in added.stderr


@pytest.mark.parametrize("foreign", FOREIGN)
def test_foreign_routes_can_be_refused_instead(
    node: Node, runtime: Runtime, pod: Namespace, foreign: list[str]
) -> None:
    device = node.device()
    before = node.link(device)
    added = runtime.add(_static(device, foreign, onForeignRoute="reject"), Slot(pod.path))
    code, message = added.error
    assert code == 102
    assert all(route in message for route in foreign)
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_an_address_may_not_bring_a_default_route_as_its_subnet(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    device = node.device()
    before = node.link(device)
    ipam = {"type": "static", "addresses": [{"address": "10.1.2.3/1"}]}
    config = rail(device, cniVersion="1.0.0", ipam=ipam)
    code, message = runtime.add(config, Slot(pod.path)).error
    assert (code, "0.0.0.0/1" in message) == (102, True)
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


def test_the_sibling_rail_is_reached_through_the_gateway(node: Node, runtime: Runtime) -> None:
    """Also from a socket that is bound to the other rail, as NCCL binds them."""
    node.set_sysctl("ipv4/ip_forward", "1")
    for name, subnet in BACKEND.items():
        node.switch(name)
        node.ip("address", "add", _gateway(subnet, with_prefix=True), "dev", name)
    one, other = node.pod(), node.pod()
    _attach_backend(node, runtime, Slot(one.path, "c1"))
    _, theirs = _attach_backend(node, runtime, Slot(other.path, "c2"))
    assert one.destinations("net1") == set(BACKEND.values())
    ping = "ping", "-c", "1", "-W", "2", "-I", "net1", theirs
    one.run(*ping)
    one.ip("route", "delete", BACKEND["roce-b"], "dev", "net1")
    with pytest.raises(RuntimeError, match="100% packet loss"):
        one.run(*ping)


def test_two_attachments_on_one_rail_answer_each_from_its_own_interface(
    node: Node, runtime: Runtime
) -> None:
    assert _who_answers(node, runtime) == [["net1"], ["net2"]]


def test_without_source_routing_one_interface_answers_for_both(
    node: Node, runtime: Runtime
) -> None:
    """So the test above would notice."""
    assert _who_answers(node, runtime, sourceRouting=False) == [["net1"], ["net1"]]


def test_del_takes_the_rules_of_source_routing_along(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    config, slot = rail(node.device(), sourceRouting=True), Slot(pod.path)
    (address,) = runtime.add(config, slot).addresses
    assert [rule["src"] for rule in pod.rules()] == [str(ip_interface(address).ip)]
    assert runtime.delete(config, slot).exit_code == 0
    assert runtime.leftovers(pod) == NOTHING


def _static(device: str, routes: list[str], **keys: Any) -> dict[str, Any]:
    ipam = {
        "type": "static",
        "addresses": [
            {"address": "10.60.0.2/24", "gateway": "10.60.0.1"},
            {"address": "fd00:60::2/64", "gateway": "fd00:60::1"},
        ],
        "routes": [{"dst": route} for route in routes],
    }
    return rail(device, cniVersion="1.0.0", ipam=ipam, **keys)


def _attach_backend(node: Node, runtime: Runtime, slot: Slot) -> list[str]:
    """Attach a container to both rails of a fabric; return its addresses."""
    addresses = []
    for number, (name, subnet) in enumerate(BACKEND.items(), start=1):
        ipam = {
            "type": "rail-ipam", "fabric": "backend", "rail": name, "rails": BACKEND,
            "gateway": _gateway(subnet),
        }  # fmt: skip
        config = rail(node.device(switch=name), name=name, rail=name, ipam=ipam)
        added = runtime.add(config, replace(slot, ifname=f"net{number}"))
        addresses += [str(ip_interface(address).ip) for address in added.addresses]
    return addresses


def _gateway(subnet: str, *, with_prefix: bool = False) -> str:
    address = ip_network(subnet)[1]
    return f"{address}/{ip_network(subnet).prefixlen}" if with_prefix else str(address)


def _who_answers(node: Node, runtime: Runtime, **keys: Any) -> list[list[str]]:
    """Ping both addresses of a pod that is on one rail twice; return where replies came out."""
    peer, pod = node.pod(), node.pod()
    runtime.add(rail(node.device()), Slot(peer.path, "c1"))
    devices = {"net1": node.device(), "net2": node.device()}
    added = {
        ifname: runtime.add(rail(device, **keys), Slot(pod.path, "c2", ifname))
        for ifname, device in devices.items()
    }
    answers = []
    with ExitStack() as stack:
        taps = {i: stack.enter_context(node.packets(port_of(devices[i]))) for i in devices}
        for reply in added.values():
            address = str(ip_interface(reply.addresses[0]).ip)
            peer.run("ping", "-c", "1", "-W", "5", address)
            seen = {ifname: received(tap) for ifname, tap in taps.items()}
            answers.append([i for i in seen if any(is_echo_reply(f, address) for f in seen[i])])
    return answers
