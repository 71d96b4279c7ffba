"""Whatever an IPAM plugin answers, the pod gets nothing that leads out of the rail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_interface, ip_network
from typing import Any

import pytest

from cni.delegate.interface import Allocation
from cni.kernel.types import Route
from cni.protocol import results
from cni.protocol.errors import Code
from cni.protocol.request import Request
from cni.protocol.skel import Reply
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.worlds import MemoryWorld, World


@dataclass
class Scripted:
    """An IPAM plugin that answers what it is told, and remembers its calls."""

    answer: dict[str, Any]
    prefixes: Sequence[str] = ()
    calls: list[str] = field(default_factory=list)

    def allocate(self, _: Request) -> Allocation:
        self.calls.append("ADD")
        known = tuple(ip_network(prefix) for prefix in self.prefixes)
        return Allocation(results.parse(self.answer), known)

    def release(self, _: Request) -> None:
        self.calls.append("DEL")

    def check(self, _: Request) -> None:
        self.calls.append("CHECK")

    def collect(self, request: Request) -> None:
        self.calls.append(f"GC {sorted(request.valid_attachments)}")

    def status(self, _: Request) -> None:
        self.calls.append("STATUS")


def add(world: World, ipam: Scripted, **config: Any) -> tuple[str, str, Reply]:
    """ADD a device with this IPAM plugin; return the device, the pod and the reply."""
    device, pod = world.add_device(), world.add_pod()
    node = replace(world.node, ipam_for=lambda _: ipam)
    return device, pod, world.call("ADD", pod=pod, device=device, node=node, **config)


def routed(world: World, pod: str, table: int = 254) -> set[str]:
    """Return what the rail routes in one table, by whoever's will."""
    with world.kernel.open(pod) as opened:
        link = opened.find("net1")
        assert link is not None
        return {
            str(route.dst)
            for route in opened.routes(link.index)
            if route.table == table and not route.dst.is_link_local
        }


@pytest.mark.parametrize(
    ("address", "prefixes"),
    [
        ("10.60.0.9/0", ()),
        ("10.60.0.9/1", ()),
        ("10.60.0.9/7", ()),
        ("fd00:60::9/3", ()),
        ("10.60.0.9/8", ("10.60.0.0/16",)),
        ("10.60.0.9/15", ("10.60.0.0/16", "fd00:60::/64")),
        ("10.43.0.9/16", ("10.60.0.0/16",)),
    ],
)
def test_an_address_whose_subnet_is_not_the_rails_is_refused(
    world: World, address: str, prefixes: Sequence[str]
) -> None:
    ipam = Scripted({"ips": [{"address": address}]}, prefixes)
    device, pod, reply = add(world, ipam)
    failed(reply, Code.ROUTE_REFUSED, str(ip_interface(address).network))
    assert ipam.calls == ["ADD", "DEL"]
    assert world.in_pod(pod)[0] == ["lo"]
    assert world.kernel.host.find(device) is not None
    assert world.records() == []


ROUTES = {
    "ips": [{"address": "10.60.0.9/16", "gateway": "10.60.0.1"}],
    "routes": [
        {"dst": "0.0.0.0/0"}, {"dst": "10.60.128.0/17"}, {"dst": "10.61.0.0/16"},
        {"dst": "10.62.0.0/16"}, {"dst": "2000::/3"},
    ],
    "dns": {"nameservers": ["10.60.0.53"]},
}  # fmt: skip


def test_foreign_routes_are_left_out_by_name_and_of_the_result_as_well(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ipam = Scripted(ROUTES, ("10.60.0.0/16", "10.61.0.0/16"))
    _, pod, reply = add(world, ipam, prefixes=["10.62.0.0/16"])
    assert reply.document is not None
    kept = {"10.60.128.0/17", "10.61.0.0/16", "10.62.0.0/16"}
    assert {route["dst"] for route in reply.document["routes"]} == kept
    assert reply.document["dns"] == {"nameservers": ["10.60.0.53"]}
    assert routed(world, pod) == kept | {"10.60.0.0/16"}
    (warning,) = [record for record in caplog.records if "left out" in record.getMessage()]
    assert warning.levelname == "WARNING"
    assert "0.0.0.0/0" in warning.getMessage()
    assert "2000::/3" in warning.getMessage()


def test_foreign_routes_can_be_refused(world: World) -> None:
    ipam = Scripted(ROUTES, ("10.60.0.0/16", "10.61.0.0/16"))
    _, pod, reply = add(world, ipam, onForeignRoute="reject")
    failed(reply, Code.ROUTE_REFUSED, "0.0.0.0/0", "10.62.0.0/16", "2000::/3")
    assert ipam.calls == ["ADD", "DEL"]
    assert world.in_pod(pod)[0] == ["lo"]


def test_a_route_that_the_kernel_got_by_another_way_ends_the_add(memory: MemoryWorld) -> None:
    pod = memory.add_pod()
    kernel = memory.kernel

    def meddle(verb: str) -> None:
        if verb.startswith("ip route add 10.60.128.0/17"):
            kernel.machine.before_change = lambda _: None
            with kernel.open(pod) as opened:
                link = opened.find("net1")
                assert link is not None
                opened.add_route(Route(ip_network("0.0.0.0/1"), link.index, scope=253))

    kernel.machine.before_change = meddle
    ipam = {"type": "rail-ipam", "subnet": "10.60.0.0/16", "routes": [{"dst": "10.60.128.0/17"}]}
    reply = memory.call("ADD", pod=pod, device=memory.add_device(), ipam=ipam)
    failed(reply, Code.ROUTE_REFUSED, "0.0.0.0/1", "nobody asked for")
    assert (memory.in_pod(pod)[0], memory.held()) == (["lo"], [])


@pytest.mark.parametrize(("asked", "rules"), [(None, 1), (False, 0), (True, 1)])
def test_source_routing_is_as_asked_and_on_by_itself_where_the_subnet_is_shared(
    world: World,
    asked: bool | None,  # noqa: FBT001 - a table's column
    rules: int,
) -> None:
    pod = world.add_pod()
    world.call("ADD", pod=pod, device=world.add_device())
    config: dict[str, Any] = {} if asked is None else {"sourceRouting": asked}
    reply = world.call("ADD", pod=pod, device=world.add_device(), ifname="net2", **config)
    assert reply.exit_code == 0, reply.document
    assert world.in_pod(pod)[1] == rules


def test_the_gateway_of_a_family_is_its_first(world: World) -> None:
    addresses = {"fd00:60::9/64": "fd00:60::1", "10.60.0.9/16": "10.60.0.1"}
    addresses["10.60.0.10/16"] = "10.60.0.2"
    ips = [{"address": address, "gateway": gateway} for address, gateway in addresses.items()]
    answer = {"ips": ips, "routes": [{"dst": "10.61.0.0/16"}]}
    _, pod, reply = add(world, Scripted(answer, ("10.60.0.0/15", "fd00:60::/64")))
    assert reply.exit_code == 0, reply.document
    with world.kernel.open(pod) as opened:
        link = opened.find("net1")
        assert link is not None
        (route,) = [r for r in opened.routes(link.index) if r.dst == ip_network("10.61.0.0/16")]
    assert str(route.gateway) == "10.60.0.1"


def test_a_bad_ipam_is_refused_before_anything_is_begun(memory: MemoryWorld) -> None:
    changes: list[str] = []
    device, pod = memory.add_device(), memory.add_pod()
    memory.kernel.machine.before_change = changes.append
    reply = memory.call("ADD", pod=pod, device=device, ipam={"type": "absent-ipam"})
    failed(reply, Code.INVALID_CONFIG, "absent-ipam")
    assert (changes, memory.records()) == ([], [])


def test_a_bad_sysctl_is_refused_before_anything_is_begun(memory: MemoryWorld) -> None:
    changes: list[str] = []
    device, pod = memory.add_device(), memory.add_pod()
    memory.kernel.machine.before_change = changes.append
    reply = memory.call("ADD", pod=pod, device=device, sysctl={"net.ipv4.ip_forward": "1"})
    failed(reply, Code.INVALID_CONFIG, "net.ipv4.ip_forward")
    assert (changes, memory.held()) == ([], [])


def test_every_verb_reaches_the_ipam_plugin(world: World) -> None:
    ipam = Scripted({"ips": [{"address": "10.60.0.9/16"}]})
    device, pod, _ = add(world, ipam)
    node = replace(world.node, ipam_for=lambda _: ipam)
    valid: dict[str, Any] = {
        "cni.dev/valid-attachments": [
            {"containerID": "c1", "ifname": "net1"},
            {"containerID": "without-a-record", "ifname": "net1"},
        ],
    }
    for command, more in (("CHECK", {}), ("GC", valid), ("DEL", {}), ("DEL", {})):
        assert world.call(command, pod=pod, device=device, node=node, **more).exit_code == 0
    assert world.call("STATUS", pod="", device=device, node=node).exit_code == 0
    assert ipam.calls == [
        "ADD", "CHECK", "GC [('c1', 'net1'), ('without-a-record', 'net1')]", "DEL", "DEL", "STATUS",
    ]  # fmt: skip


def test_what_began_after_gc_is_valid_for_the_ipam_plugin_too(world: World) -> None:
    ipam = Scripted({"ips": [{"address": "10.60.0.9/16"}]})
    add(world, ipam)
    (record,) = world.node.attachments.all()
    world.node.attachments.save(record.model_copy(update={"started": record.started + 10**18}))
    node = replace(world.node, ipam_for=lambda _: ipam)
    none_valid: dict[str, Any] = {"cni.dev/valid-attachments": []}
    assert world.call("GC", pod="", node=node, **none_valid).exit_code == 0
    assert ipam.calls[-1] == "GC [('c1', 'net1')]"
