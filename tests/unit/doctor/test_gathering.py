"""What is looked up on a node: the fake's, with flannel's devices and peers on its LAN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import TypeAlias

import pytest

from cni.kernel.adapters import Radio
from cni.kernel.fake import FakeNamespace
from cni.kernel.types import Address, Route
from install.doctor.wifi.facts import Facts, Series
from install.doctor.wifi.gathering import Wishes, gather
from install.doctor.wifi.measuring import Target
from install.doctor.wifi.node import Node
from tests.scenario.hostgw.worlds import OVERLAY, UPLINK, MemoryWorld

PEER, PEER6, OTHER = "192.168.1.11", "fd00:1::11", "192.168.1.12"
Targets: TypeAlias = Mapping[Address, Address]
Answers: TypeAlias = Mapping[Address, str]
ASLEEP = Radio(power_save=True, signal=-60)


@pytest.fixture
def world(tmp_path: Path) -> MemoryWorld:
    made = MemoryWorld(tmp_path)
    made.begin()
    return made


class Doctor:
    """Looks at a node, and notes what would have been measured."""

    def __init__(self, world: MemoryWorld, folder: Path) -> None:
        self.measured: list[list[Target]] = []
        self.node = Node(
            world.kernel, world.sysfs, self._measure, "6.18.0",
            folder / "agent.toml", folder / "modules", folder / "loaded",
        )  # fmt: skip

    def _measure(self, targets: Sequence[Target]) -> list[Series]:
        self.measured.append(list(targets))
        return [Series(20, (float(len(self.measured)),)) for _ in targets]

    def look(self, wishes: Wishes | None = None) -> Facts:
        return gather(self.node, wishes or Wishes())


@pytest.fixture
def doctor(world: MemoryWorld, tmp_path: Path) -> Doctor:
    return Doctor(world, tmp_path)


def by_node(facts: Facts) -> dict[str, bool | None]:
    return {str(one.peer.address): one.answers for one in facts.reached}


def test_peers_are_asked_and_measured_nodes_first(world: MemoryWorld, doctor: Doctor) -> None:
    world.vanish(OTHER)
    facts = doctor.look()
    assert by_node(facts) == {PEER: True, OTHER: False, PEER6: True}
    overlay, overlay6 = world.link(OVERLAY).index, world.link("flannel-v6.1").index
    assert doctor.measured == [
        [Target(ip_address(a)) for a in (PEER, OTHER, PEER6)],
        [
            Target(ip_address("10.42.1.0"), overlay), Target(ip_address("10.42.2.0"), overlay),
            Target(ip_address("fd00:42:1::"), overlay6),
        ],
    ]  # fmt: skip
    assert [(one.node, one.overlay) for one in facts.reached] == [
        (Series(20, (1.0,)), Series(20, (2.0,)))
    ] * 3


def test_the_uplink_is_what_leads_to_the_peers(world: MemoryWorld, doctor: Doctor) -> None:
    (uplink,) = doctor.look().uplinks
    assert (uplink.link.name, uplink.wireless, uplink.radio) == (UPLINK, False, None)
    world.kernel.make_wireless(UPLINK, ASLEEP)
    (uplink,) = doctor.look().uplinks
    assert (uplink.wireless, uplink.radio_name, uplink.radio) == (True, UPLINK, ASLEEP)


def test_who_knows_better_is_believed(world: MemoryWorld, doctor: Doctor) -> None:
    assert [one.wireless for one in doctor.look(Wishes(wireless=True)).uplinks] == [True]
    world.kernel.make_wireless(UPLINK, ASLEEP)
    (uplink,) = doctor.look(Wishes(wireless=False)).uplinks
    assert (uplink.wireless, uplink.radio) == (False, ASLEEP)
    facts = doctor.look(Wishes(overlay=("cni0",)))
    assert (facts.named, [one.name for one in facts.landscape.tunnels]) == (True, ["cni0"])


def test_the_router_is_asked_along_with_the_peers(world: MemoryWorld, doctor: Doctor) -> None:
    assert [one.gateway_answers for one in doctor.look().uplinks] == [None]
    index = world.link(UPLINK).index
    world.host.add_route(Route(ip_network("0.0.0.0/0"), index, ip_address("192.168.1.1")))
    assert [one.gateway_answers for one in doctor.look().uplinks] == [False]
    world.appear("192.168.1.1")
    assert [one.gateway_answers for one in doctor.look().uplinks] == [True]


def test_each_is_asked_by_the_address_of_its_own_subnet(
    world: MemoryWorld, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, str] = {}
    solicit = type(world.host).solicit

    def note(self: FakeNamespace, index: int, targets: Targets, seconds: float) -> Answers:
        asked.update({str(there): str(own) for there, own in targets.items()})
        return solicit(self, index, targets, seconds)

    monkeypatch.setattr(FakeNamespace, "solicit", note)
    world.host.add_address(world.link(UPLINK).index, ip_interface("172.20.0.5/24"))
    world.join("10.42.8.0/24", "172.20.0.8")
    doctor.look()
    assert asked == {
        PEER: "192.168.1.10", OTHER: "192.168.1.10", "172.20.0.8": "172.20.0.5",
        PEER6: "fd00:1::10",
    }  # fmt: skip


def test_without_peers_the_default_route_tells_the_uplink(
    tmp_path: Path, world: MemoryWorld
) -> None:
    for route in world.main():
        if route.index != world.link(UPLINK).index:
            world.host.remove_route(route)
    doctor = Doctor(world, tmp_path)
    assert doctor.look().uplinks == []
    index = world.link(UPLINK).index
    world.host.add_route(Route(ip_network("0.0.0.0/0"), index, ip_address("192.168.1.1")))
    facts = doctor.look()
    assert [one.link.name for one in facts.uplinks] == [UPLINK]
    assert facts.reached == []


def test_a_peer_that_is_not_next_door_is_not_asked(world: MemoryWorld, doctor: Doctor) -> None:
    world.join("10.42.7.0/24", "172.16.0.7")
    far = next(one for one in doctor.look().reached if str(one.peer.cidr) == "10.42.7.0/24")
    assert (far.refusal, far.answers) == ("no route to its node 172.16.0.7", None)
    assert far.node is not None


def test_at_most_sixteen_peers_are_asked(world: MemoryWorld, doctor: Doctor) -> None:
    for number in range(20, 40):
        world.join(f"10.42.{number}.0/24", f"192.168.1.{number}")
    facts = doctor.look()
    assert (len(facts.reached), facts.unmeasured) == (16, 7)
    assert [len(targets) for targets in doctor.measured] == [16, 16]


def test_switches_and_filters(world: MemoryWorld, doctor: Doctor) -> None:
    world.kernel.offload_checksums(OVERLAY, on=False)
    world.host.set_sysctl(f"ipv4/conf/{OVERLAY}/rp_filter", "2")
    world.host.set_sysctl("ipv4/conf/all/rp_filter", "1")
    world.host.set_sysctl("ipv4/ip_forward", "1")
    world.kernel.drop_forwarded("inet filter forward")
    facts = doctor.look()
    assert facts.offloads == {OVERLAY: False, "flannel-v6.1": True}
    assert facts.filters == {UPLINK: "1", OVERLAY: "2", "flannel-v6.1": "1"}
    assert facts.forwarding == {4: "1", 6: "0"}
    assert facts.dropping == ("inet filter forward",)
    assert (facts.nftables, facts.vxlan, facts.unknown) == (True, True, ())
    world.kernel.machine.nftables = False
    assert not doctor.look().nftables


def test_direct_routes_are_those_of_rail_hostgw(world: MemoryWorld, doctor: Doctor) -> None:
    foreign = Route(ip_network("10.9.0.0/24"), world.link(UPLINK).index, table=142)
    world.host.add_route(foreign)
    assert doctor.look().direct == []
    world.call(uplink={"wireless": True})
    assert {str(route.dst) for route in doctor.look().direct} == {
        "10.42.1.0/24", "10.42.2.0/24", "fd00:42:1::/64",
    }  # fmt: skip


def test_the_kernels_vxlan_without_a_device(world: MemoryWorld, tmp_path: Path) -> None:
    for name in (OVERLAY, "flannel-v6.1"):
        world.kernel.delete_link(name)
    doctor = Doctor(world, tmp_path)
    assert not doctor.look().vxlan
    listed = tmp_path / "modules/6.18.0/modules.dep"
    listed.parent.mkdir(parents=True)
    listed.write_text("kernel/drivers/net/vxlan/vxlan.ko.zst: kernel/net/ipv6/ip6_udp_tunnel.ko\n")
    assert doctor.look().vxlan
    listed.unlink()
    (tmp_path / "loaded/vxlan").mkdir(parents=True)
    assert doctor.look().vxlan


def test_the_agents_key_is_read_as_the_agent_reads_it(doctor: Doctor, tmp_path: Path) -> None:
    settings, key = doctor.node.agent_file, tmp_path / "hostgw.key"
    assert doctor.look().refused == []
    settings.write_text("requests = 8\n")
    assert doctor.look().refused == []
    settings.write_text(f'[hostgw]\nkeyFile = "{key}"\n')
    (missing,) = doctor.look().refused
    assert missing.check == "key"
    assert missing.what.startswith(f"{key} is missing")
    assert "openssl rand -hex 32" in missing.cure
    key.write_text(64 * "a")
    key.chmod(0o640)
    (exposed,) = doctor.look().refused
    assert "can be read by others" in exposed.what
    key.chmod(0o600)
    assert doctor.look().refused == []
    key.unlink()
    settings.write_text(f'[hostgw]\nmode = "off"\nkeyFile = "{key}"\n')
    assert doctor.look().refused == []


def test_settings_that_are_no_settings(doctor: Doctor) -> None:
    doctor.node.agent_file.write_text("[hostgw]\nport = 0\n")
    (refusal,) = doctor.look().refused
    assert refusal.check == "settings"
    assert "hostgw.port is 0" in refusal.what


def test_what_the_agent_is_told_counts_here_too(world: MemoryWorld, doctor: Doctor) -> None:
    key = doctor.node.agent_file.with_name("key")
    doctor.node.agent_file.write_text(f"""
        [hostgw]
        keyFile = "{key}"
        table = 77
        podNetworks = ["10.42.0.0/23", "fd00:42::/32"]
        overlay = ["{OVERLAY}"]
        uplink = {{ wireless = true }}
        peers = [
            {{ cidr = "10.42.1.0/25", address = "192.168.1.12" }},
            {{ cidr = "10.42.2.0/24", address = "192.168.1.12" }},
        ]
    """)
    ours = Route(ip_network("10.42.1.0/25"), world.link(UPLINK).index, table=77, protocol=142)
    world.host.add_route(ours)
    facts = doctor.look()
    assert [tunnel.name for tunnel in facts.landscape.tunnels] == [OVERLAY]
    assert [uplink.wireless for uplink in facts.uplinks] == [True]
    one, two = facts.reached
    assert (str(one.peer.address), str(one.gateway)) == ("192.168.1.12", "10.42.1.0")
    assert two.refusal == "outside podNetworks"
    assert [route.dst for route in facts.direct] == [ours.dst]
    better = doctor.look(Wishes(overlay=("flannel-v6.1",))).landscape.tunnels
    assert [tunnel.name for tunnel in better] == ["flannel-v6.1"]
    assert [uplink.wireless for uplink in doctor.look(Wishes(wireless=False)).uplinks] == [False]


def test_what_is_refused_is_noted_and_the_rest_is_looked_at(doctor: Doctor) -> None:
    def refuse(_: Sequence[Target]) -> list[Series]:
        raise PermissionError(1, "Operation not permitted")

    doctor.node = replace(doctor.node, measure=refuse)
    facts = doctor.look()
    assert facts.unknown == ("[Errno 1] ping: Operation not permitted",)
    assert {one.node for one in facts.reached} == {None}
    assert facts.offloads
