"""What ADD makes of a device, and what it refuses to touch."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from ipaddress import ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest

from cni.protocol.errors import Code
from tests.scenario.rail.worlds import World


def failed(reply: Any, code: Code, *words: str) -> None:
    """Assert that a reply is one error that names what it must."""
    assert reply.exit_code == 1
    assert reply.document["code"] == code, reply.document
    text = f"{reply.document['msg']} {reply.document.get('details', '')}"
    for word in words:
        assert word in text


def test_the_result_is_what_the_kernel_has(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    ipam = {"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"]}
    document = world.call(
        "ADD", pod=pod, device=device, ipam=ipam, mac="02:00:00:00:60:01"
    ).document
    assert document == {
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "net1", "mac": "02:00:00:00:60:01", "mtu": 9000, "sandbox": pod}],
        "ips": [
            {"address": "10.60.0.1/16", "interface": 0},
            {"address": "fd00:60::1/64", "interface": 0},
        ],
        "dns": {},
    }
    with world.kernel.open(pod) as opened:
        link = opened.find("net1")
        assert link is not None
        assert (link.mac, link.mtu, link.up) == ("02:00:00:00:60:01", 9000, True)
        addresses = {a for a in opened.addresses(link.index) if not a.is_link_local}
        assert addresses == {ip_interface("10.60.0.1/16"), ip_interface("fd00:60::1/64")}
        sysctls = {
            key: opened.sysctl(key.format("net1"))
            for key in ("ipv4/conf/{}/arp_ignore", "ipv4/conf/{}/arp_announce",
                        "ipv4/conf/{}/rp_filter", "ipv6/conf/{}/accept_ra")
        }  # fmt: skip
        assert list(sysctls.values()) == ["1", "2", "2", "0"]
        assert not [route for route in opened.routes(link.index) if route.dst.prefixlen == 0]


def test_a_rail_without_ipam_is_attached_without_addresses(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    reply = world.call("ADD", pod=pod, device=device, ipam={})
    assert reply.document is not None
    assert "ips" not in reply.document
    assert world.in_pod(pod)[0] == ["lo", "net1"]


def test_sysctls_asked_for_win(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    asked = {"net.ipv4.conf.IFNAME.rp_filter": "0", "net/ipv4/neigh/net1/mcast_solicit": 7}
    assert world.call("ADD", pod=pod, device=device, sysctl=asked).exit_code == 0
    with world.kernel.open(pod) as opened:
        assert opened.sysctl("ipv4/conf/net1/rp_filter") == "0"
        assert opened.sysctl("ipv4/neigh/net1/mcast_solicit") == "7"


RAILS = {"roce-a": "10.60.0.0/16", "roce-b": "10.61.0.0/16", "roce-c": "10.62.0.0/16"}


def test_siblings_are_reached_through_the_gateway_from_every_rail(world: World) -> None:
    pod = world.add_pod()
    for number, rail in enumerate((*RAILS, "roce-a"), start=1):  # one of them twice
        gateway = RAILS[rail].replace("0.0/16", "0.1")
        ipam = {
            "type": "rail-ipam", "fabric": "backend", "rail": rail, "rails": RAILS,
            "gateway": gateway,
        }  # fmt: skip
        names: dict[str, Any] = {
            "network": rail,
            "ifname": f"net{number}",
            "device": world.add_device(),
        }
        reply = world.call("ADD", pod=pod, ipam=ipam, **names)
        assert reply.document is not None
        assert reply.exit_code == 0, reply.document
        siblings = [net for name, net in RAILS.items() if name != rail]
        assert [route["dst"] for route in reply.document["routes"]] == siblings
        assert world.call("CHECK", pod=pod, ipam=ipam, **names).exit_code == 0
        with world.kernel.open(pod) as opened:
            link = opened.find(names["ifname"])
            assert link is not None
            installed = {
                (str(r.dst), str(r.gateway), r.priority)
                for r in opened.routes(link.index)
                if r.gateway and r.table == 254
            }
        assert installed == {
            (route["dst"], gateway, route["priority"]) for route in reply.document["routes"]
        }


def test_two_attachments_on_one_rail_have_tables_of_their_own(world: World) -> None:
    pod = world.add_pod()
    first = world.call("ADD", pod=pod, device=world.add_device())
    second = world.call("ADD", pod=pod, device=world.add_device(), ifname="net2")
    assert first.document is not None
    assert second.document is not None
    assert first.document["ips"] != second.document["ips"]
    with world.kernel.open(pod) as opened:
        link = opened.find("net2")
        assert link is not None
        (rule,) = [r for r in opened.rules() if r.table >= 10_000]
        assert str(rule.source) == "10.60.0.2/32"
        assert {r.dst for r in opened.routes(link.index) if r.table == rule.table} == {
            ip_network("10.60.0.0/16")
        }


def test_a_second_add_is_refused_and_changes_nothing(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    world.call("ADD", pod=pod, device=device)
    held = world.held()
    failed(world.call("ADD", pod=pod, device=device), Code.TRY_AGAIN, "already attached", "DEL")
    assert world.in_pod(pod)[0] == ["lo", "net1"]
    assert world.held() == held


def test_a_device_has_one_holder(world: World) -> None:
    device, pod, other = world.add_device(), world.add_pod(), world.add_pod()
    world.call("ADD", pod=pod, device=device)
    reply = world.call("ADD", pod=other, device=device, container="c2")
    failed(reply, Code.TRY_AGAIN, device, "container c1")
    assert len(world.held()) == 1


@pytest.mark.parametrize("by_altname", [False, True])
def test_a_name_taken_in_the_pod(world: World, by_altname: bool) -> None:  # noqa: FBT001
    pod = world.add_pod()
    world.call("ADD", pod=pod, device=world.add_device(), ifname="eth7" if by_altname else "net1")
    if by_altname:
        with world.kernel.open(pod) as opened:
            link = opened.find("eth7")
            assert link is not None
            opened.add_altname(link.index, "net1")
    device = world.add_device()
    before, held = world.seen(device), world.held()
    reply = world.call("ADD", pod=pod, device=device, network="roce-b", ipam={})
    failed(reply, Code.INVALID_ENVIRONMENT, "CNI_IFNAME", "net1")
    assert (world.seen(device), world.held()) == (before, held)


def test_a_namespace_that_is_none(world: World, tmp_path: Path) -> None:
    device = world.add_device()
    (tmp_path / "file").touch()
    for path in ("/run/netns/there-is-none", str(tmp_path / "file"), str(tmp_path)):
        failed(world.call("ADD", pod=path, device=device), Code.INVALID_ENVIRONMENT, "CNI_NETNS")
    assert world.held() == []


def test_the_hosts_own_namespace(world: World) -> None:
    device = world.add_device()
    reply = world.call("ADD", pod=world.kernel.host.path, device=device)
    failed(reply, Code.INVALID_ENVIRONMENT, "host's own")


@pytest.mark.parametrize(
    ("device", "words"),
    [("no-such-device", "no interface of that name"), ("lo", "loopback")],
)
def test_devices_that_cannot_be(world: World, device: str, words: str) -> None:
    failed(world.call("ADD", pod=world.add_pod(), device=device), Code.INVALID_CONFIG, words)


def test_a_device_by_its_altname(world: World) -> None:
    device = world.add_device("another")
    reply = world.call("ADD", pod=world.add_pod(), device="another")
    failed(reply, Code.INVALID_CONFIG, "altname", device)


def test_a_name_that_is_a_pattern_concerns_no_other_device(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    world.call("ADD", pod=pod, device=device)
    reply = world.call("ADD", pod=pod, device="dev*", container="c2", ifname="net2")
    failed(reply, Code.INVALID_CONFIG, "no interface of that name")


def test_a_device_in_use_on_the_host(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    host = world.kernel.host
    link = host.find(device)
    assert link is not None
    host.set_up(link.index)
    host.add_address(link.index, ip_interface("192.0.2.1/32"))
    failed(world.call("ADD", pod=pod, device=device), Code.INVALID_CONFIG, "192.0.2.1")
    assert world.in_pod(pod)[0] == ["lo"]


def test_the_record_is_there_before_the_first_change_and_roots_alone(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    world.call("ADD", pod=pod, device=device)
    (name,) = world.records()
    file = world.paths.attachments / name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    record = json.loads(file.read_text())
    assert record["attached"] is True
    assert record["baseline"]["name"] == device


@pytest.mark.parametrize("change", [{"version": 2}, {"attachment": 7}, {"later": True}])
def test_an_unreadable_record_is_kept_and_named(world: World, change: dict[str, Any]) -> None:
    device, pod = world.add_device(), world.add_pod()
    world.call("ADD", pod=pod, device=device)
    (name,) = world.records()
    file = world.paths.attachments / name
    whole = file.read_text()
    file.write_text(json.dumps(json.loads(whole) | change))
    for command in ("DEL", "ADD", "CHECK"):
        failed(world.call(command, pod=pod, device=device), Code.IO_FAILURE, str(file))
    assert world.node.attachments.all() == []  # what only looks does not stumble over it
    assert (world.records(), len(world.held())) == ([name], 1)
    file.write_text(whole)
    assert world.call("DEL", pod=pod, device=device).exit_code == 0
    assert (world.records(), world.held()) == ([], [])


def test_another_pods_uplink_is_not_taken(world: World) -> None:
    uplink, victim, attacker = world.add_device(), world.add_pod(), world.add_pod()
    host = world.kernel.host
    link = host.find(uplink)
    assert link is not None
    with world.kernel.open(victim) as pod:
        host.move(link.lower, pod, "eth0")
    reply = world.call("ADD", pod=attacker, device=uplink)
    failed(reply, Code.INVALID_CONFIG, "some pod's uplink")
    assert world.in_pod(victim)[0] == ["lo", "eth0"]


def test_what_leads_to_an_address_of_the_host_is_not_taken(world: World) -> None:
    device = world.add_device()
    host = world.kernel.host
    link = host.find(device)
    assert link is not None
    host.add_address(link.lower, ip_interface("192.0.2.1/32"))
    failed(world.call("ADD", pod=world.add_pod(), device=device), Code.INVALID_CONFIG, "192.0.2.1")


@pytest.mark.parametrize("looks", range(3))
def test_what_nobody_waits_for_any_more_is_undone(world: World, looks: int) -> None:
    device, pod = world.add_device(), world.add_pod()
    before = world.seen(device)
    answers = iter([True] * looks + [False])
    node = replace(world.node, is_wanted=lambda: next(answers))
    failed(world.call("ADD", pod=pod, device=device, mtu=1500, node=node), Code.TRY_AGAIN, "waits")
    assert (world.seen(device), world.records(), world.held()) == (before, [], [])
    assert world.in_pod(pod) == (["lo"], 0)
    assert next(answers, None) is None
