"""CHECK, GC and STATUS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from typing import Any

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import Route
from cni.protocol.errors import Code
from cni.rail.attachment import Record
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_del import attached
from tests.scenario.rail.worlds import World


def test_an_attachment_as_add_left_it(world: World) -> None:
    device, pod, _ = attached(world, mac="02:00:00:00:60:01", sourceRouting=True)
    reply = world.call("CHECK", pod=pod, device=device)
    assert reply.exit_code == 0, reply.document


Change = Callable[[Namespace, int], None]


def _lose_address(pod: Namespace, index: int) -> None:
    pod.set_down(index)
    pod.set_up(index)


def _rename(pod: Namespace, index: int) -> None:
    pod.set_down(index)
    pod.rename(index, "x")


CHANGES: dict[str, Change] = {
    "is down": lambda pod, index: pod.set_down(index),
    "has MTU 1400": lambda pod, index: pod.set_mtu(index, 1400),
    "is missing": _rename,
    "accepts router advertisements": lambda pod, _: pod.set_sysctl("ipv6/conf/net1/accept_ra", "2"),
    "carries the route 0.0.0.0/1": lambda pod, index: pod.add_route(
        Route(ip_network("0.0.0.0/1"), index, scope=253)
    ),
    "carries the route 10.43.0.0/16": lambda pod, index: pod.add_route(
        Route(ip_network("10.43.0.0/16"), index, scope=253, table=77)
    ),
    "carries the route 2000::/3": lambda pod, index: pod.add_route(
        Route(ip_network("2000::/3"), index)
    ),
    "lacks the address fd00:60::1/64": _lose_address,
    "the rule from 10.60.0.1/32": lambda pod, _: pod.remove_rule(
        next(rule for rule in pod.rules() if str(rule.source) == "10.60.0.1/32")
    ),
    "lacks the route 10.60.128.0/17": lambda pod, index: pod.remove_route(
        next(
            r for r in pod.routes(index) if r.dst == ip_network("10.60.128.0/17") and r.table == 254
        )
    ),
}


@pytest.mark.parametrize("named", CHANGES)
def test_every_difference_is_named(world: World, named: str) -> None:
    config: dict[str, Any] = {
        "sourceRouting": True,
        "ipam": {"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"],
                 "routes": [{"dst": "10.60.128.0/17"}]},
    }  # fmt: skip
    device, pod, _ = attached(world, **config)
    with world.kernel.open(pod) as opened:
        link = opened.find("net1")
        assert link is not None
        CHANGES[named](opened, link.index)
    failed(world.call("CHECK", pod=pod, device=device, **config), Code.CHECK_FAILED, named)


def test_what_was_never_added_or_is_elsewhere(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    previous: dict[str, Any] = {"prevResult": {"cniVersion": "1.1.0"}}
    reply = world.call("CHECK", pod=pod, device=device, **previous)
    failed(reply, Code.CHECK_FAILED, "has no net1")
    failed(world.call("CHECK", pod=pod, device=device), Code.INVALID_CONFIG, "prevResult")
    world.call("ADD", pod=pod, device=device)
    failed(world.call("CHECK", pod=world.add_pod(), device=device), Code.CHECK_FAILED, "another")
    failed(world.call("CHECK", pod="/nowhere", device=device), Code.CHECK_FAILED, "CNI_NETNS")


def test_a_previous_result_that_says_otherwise(world: World) -> None:
    device, pod, _ = attached(world)
    (result,) = world.results.values()
    for wrong, named in (
        ({"interfaces": [{**result["interfaces"][0], "mac": "02:00:00:00:00:99"}]}, "MAC"),
        ({"interfaces": [{**result["interfaces"][0], "mtu": 1500}]}, "expected 1500"),
        ({"interfaces": []}, "names no interface"),
        ({"ips": [{"address": "10.60.9.9/16", "interface": 0}]}, "10.60.9.9"),
    ):
        reply = world.call("CHECK", pod=pod, device=device, prevResult={**result, **wrong})
        failed(reply, Code.CHECK_FAILED, named)


def test_addresses_of_a_namesake_on_the_host_are_not_asked_of_the_pod(world: World) -> None:
    device, pod, _ = attached(world)
    (result,) = world.results.values()
    namesake = {"name": "net1", "mac": "02:00:00:00:00:99"}
    previous = {
        **result,
        "interfaces": [*result["interfaces"], namesake],
        "ips": [*result["ips"], {"address": "192.0.2.1/24", "interface": 1}],
    }
    assert world.call("CHECK", pod=pod, device=device, ipam={}, prevResult=previous).exit_code == 0


def gc(world: World, *valid: tuple[str, str], network: str = "roce-a", **config: Any) -> Any:
    """Collect what is not valid."""
    entries = [{"containerID": container, "ifname": ifname} for container, ifname in valid]
    valid_ones: dict[str, Any] = {"cni.dev/valid-attachments": entries}
    return world.call("GC", pod="", network=network, **valid_ones, **config)


def test_gc_keeps_what_is_valid_and_frees_the_rest_of_this_network_only(world: World) -> None:
    pod, other = world.add_pod(), world.add_pod()
    kept, dead, foreign = (world.add_device() for _ in range(3))
    before = world.seen(dead)
    world.call("ADD", pod=pod, device=kept, container="alive")
    world.call("ADD", pod=other, device=dead, container="dead")
    ipam = {"type": "rail-ipam", "subnet": "10.61.0.0/16"}
    world.call("ADD", pod=other, device=foreign, container="dead", ifname="net2",
               network="roce-b", ipam=ipam)  # fmt: skip
    reply = gc(world, ("alive", "net1"))
    assert reply.exit_code == 0, reply.document
    assert world.in_pod(pod)[0] == ["lo", "net1"]
    assert world.in_pod(other)[0] == ["lo", "net2"]
    assert world.seen(dead) == before
    assert len(world.held()) == 2


def test_gc_spares_what_began_after_it(world: World) -> None:
    _, pod, _ = attached(world)
    (record,) = world.node.attachments.all()
    world.node.attachments.save(record.model_copy(update={"started": 10**18}))
    gc(world)
    assert world.in_pod(pod)[0] == ["lo", "net1"]
    assert len(world.held()) == 1  # nor is its address taken from it


def test_gc_leaves_what_a_request_is_at_work_on(world: World) -> None:
    _, pod, _ = attached(world)
    with world.node.locks.container("c1"):
        assert gc(world).exit_code == 0
    assert world.in_pod(pod)[0] == ["lo", "net1"]
    assert len(world.held()) == 1
    gc(world)
    assert (world.in_pod(pod)[0], world.held()) == (["lo"], [])


def test_gc_goes_on_past_an_error_and_reports_it(world: World) -> None:
    pods = [world.add_pod() for _ in range(2)]
    for number, pod in enumerate(pods):
        world.call("ADD", pod=pod, device=world.add_device(), container=f"c{number}")
    node = replace(world.node, ipam_for=_Unwell(world.node.ipam_for))
    none_valid: dict[str, Any] = {"cni.dev/valid-attachments": []}
    reply = world.call("GC", pod="", node=node, **none_valid)
    failed(reply, Code.IO_FAILURE, "container c0", "disk on fire")
    assert len(world.records()) == 1
    assert len(world.held()) == 1


class _Unwell:
    """Fails the release of one container's addresses."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __call__(self, request: Any) -> Any:
        self._ipam = self._real(request)
        return self

    def release(self, request: Any) -> None:
        if request.container_id == "c0":
            raise OSError(5, "disk on fire")
        self._ipam.release(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ipam, name)


def test_status_says_when_add_would_fail(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    assert world.call("STATUS", pod="", device=device).exit_code == 0
    full = {"type": "rail-ipam", "subnet": "10.60.0.0/30"}
    failed(world.call("STATUS", pod="", device="none"), Code.NOT_AVAILABLE, "none")
    assert world.call("STATUS", pod="", device=device, ipam=full).exit_code == 0
    world.call("ADD", pod=pod, device=device, ipam=full)
    failed(world.call("STATUS", pod="", device=device, ipam=full), Code.NOT_AVAILABLE)
    for ifname in ("net2", "net3"):
        world.call("ADD", pod=pod, device=world.add_device(), ipam=full, ifname=ifname)
    reply = world.call("STATUS", pod="", device=world.add_device(), ipam=full)
    failed(reply, Code.NOT_AVAILABLE, "10.60.0.0/30")


def test_status_knows_no_interface_and_so_refuses_no_sysctl_of_one(world: World) -> None:
    sysctl = {"net.ipv4.conf.net2.rp_filter": "0"}
    assert world.call("STATUS", pod="", device=world.add_device(), sysctl=sysctl).exit_code == 0


def test_a_record_knows_a_same_device_by_more_than_its_name(world: World) -> None:
    device, _, _ = attached(world)
    (record,) = world.node.attachments.all()
    assert record.device.host_name == device
    other = record.device.model_copy(update={"lower": record.device.lower + 1})
    assert record.device.is_same(record.device)
    assert not record.device.is_same(other)
    assert isinstance(record, Record)
    assert ip_interface("10.60.0.1/16") in record.addresses
