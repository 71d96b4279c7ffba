"""The order in which ADD touches an interface, and what CHECK, GC and STATUS look at besides."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

from cni.protocol.errors import Code
from tests.scenario.rail.test_add import failed
from tests.scenario.rail.test_check import gc
from tests.scenario.rail.test_del import attached
from tests.scenario.rail.worlds import MemoryWorld, World

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from cni.delegate.interface import Allocation, Ipam
    from cni.protocol.request import Request


def changes_of(memory: MemoryWorld) -> list[str]:
    """Return the list that every change of the kernel is written to from now on."""
    changes: list[str] = []
    memory.kernel.machine.before_change = changes.append
    return changes


def position(changes: list[str], *words: str) -> int:
    return next(at for at, change in enumerate(changes) if all(word in change for word in words))


def test_the_intent_is_on_disk_before_anything_is_changed_or_asked_for(
    memory: MemoryWorld,
) -> None:
    device, pod = memory.add_device("another"), memory.add_pod()
    known: list[int] = []

    def ipam_for(request: Request) -> Ipam | None:
        ipam = memory.node.ipam_for(request)
        assert ipam is not None
        return Noting(ipam, lambda: known.append(len(memory.records())))

    memory.kernel.machine.before_change = lambda _: known.append(len(memory.records()))
    node = replace(memory.node, ipam_for=ipam_for)
    assert memory.call("ADD", pod=pod, device=device, node=node).exit_code == 0
    assert set(known) == {1}


class Noting:
    """An IPAM plugin that says when it is asked for addresses."""

    def __init__(self, real: Ipam, note: Callable[[], None]) -> None:
        self.release, self.check, self.collect = real.release, real.check, real.collect
        self.status = real.status
        self._real = real
        self._note = note

    def allocate(self, request: Request) -> Allocation:
        self._note()
        return self._real.allocate(request)


def test_nothing_is_heard_before_the_sysctls_are_set(memory: MemoryWorld) -> None:
    device, pod = memory.add_device(), memory.add_pod()
    changes = changes_of(memory)
    assert memory.call("ADD", pod=pod, device=device).exit_code == 0
    up = position(changes, "net1", "up")
    for key in ("accept_ra=0", "arp_ignore=1", "arp_announce=2", "rp_filter=2", "address add"):
        assert position(changes, key) < up


def test_a_mac_is_given_to_a_device_that_is_down(memory: MemoryWorld) -> None:
    device, pod = memory.add_device(), memory.add_pod()
    link = memory.kernel.host.find(device)
    assert link is not None
    memory.kernel.host.set_up(link.index)
    changes = changes_of(memory)
    memory.call("ADD", pod=pod, device=device, mac="02:00:00:00:60:01")
    # Few drivers take another one while the device is up.
    assert position(changes, device, "down") < position(changes, "02:00:00:00:60:01")


def test_a_sysctl_that_is_right_is_not_written(memory: MemoryWorld) -> None:
    pod = memory.add_pod()
    with memory.kernel.open(pod) as opened:
        for key, value in (("ipv4/conf/default/arp_ignore", "1"),
                           ("ipv4/conf/default/arp_announce", "2"),
                           ("ipv4/conf/default/rp_filter", "2"),
                           ("ipv6/conf/default/accept_ra", "0")):  # fmt: skip
            opened.set_sysctl(key, value)
    device = memory.add_device()
    changes = changes_of(memory)
    assert memory.call("ADD", pod=pod, device=device).exit_code == 0
    assert not [change for change in changes if change.startswith("sysctl")]


def test_an_ipv6_address_where_the_namespace_has_ipv6_off(world: World) -> None:
    device, pod = world.add_device(), world.add_pod()
    with world.kernel.open(pod) as opened:
        opened.set_sysctl("ipv6/conf/default/disable_ipv6", "1")
    ipam = {"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"]}
    # A device brings its settings along, and gets the namespace's only where it is made.
    host = world.kernel.host
    host.set_sysctl(f"ipv6/conf/{device}/disable_ipv6", "1")
    reply = world.call("ADD", pod=pod, device=device, ipam=ipam)
    assert reply.exit_code == 0, reply.document
    with world.kernel.open(pod) as opened:
        link = opened.find("net1")
        assert link is not None
        assert ip_interface("fd00:60::1/64") in opened.addresses(link.index)


def test_every_address_is_announced_in_the_pod_with_the_mac_that_it_has(
    memory: MemoryWorld,
) -> None:
    device, pod = memory.add_device(), memory.add_pod()
    ipam = {"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"]}
    memory.call("ADD", pod=pod, device=device, ipam=ipam, mac="02:00:00:00:60:01")
    with memory.kernel.open(pod) as opened:
        identity = opened.identity
    sent = [(each.device, each.mac, str(each.address)) for each in memory.kernel.announcements]
    assert sent == [
        ("net1", "02:00:00:00:60:01", "10.60.0.1/16"),
        ("net1", "02:00:00:00:60:01", "fd00:60::1/64"),
    ]
    assert {each.netns for each in memory.kernel.announcements} == {identity}


def test_a_key_that_nobody_knows_is_named(
    memory: MemoryWorld, caplog: pytest.LogCaptureFixture
) -> None:
    device, pod = memory.add_device(), memory.add_pod()
    assert memory.call("ADD", pod=pod, device=device, mtuu=9000).exit_code == 0
    assert "mtuu" in caplog.text


def test_check_takes_no_unfinished_attachment_for_one(world: World) -> None:
    device, pod, _ = attached(world)
    (record,) = world.node.attachments.all()
    for change in ({"attached": False}, {"boot_id": "earlier"}):
        world.node.attachments.save(record.model_copy(update=change))
        reply = world.call("CHECK", pod=pod, device=device)
        failed(reply, Code.CHECK_FAILED, "container c1 has no net1")


def test_check_knows_another_device_of_the_same_name(world: World) -> None:
    device, pod, _ = attached(world)
    impostor = world.add_device()
    with world.kernel.open(pod) as opened:
        rail = opened.find("net1")
        assert rail is not None
        opened.set_down(rail.index)
        opened.rename(rail.index, "x")
        other = world.kernel.host.find(impostor)
        assert other is not None
        world.kernel.host.move(other.index, opened, "net1")
    reply = world.call("CHECK", pod=pod, device=device)
    failed(reply, Code.CHECK_FAILED, f"net1 is not {device}")


def test_check_reads_the_previous_result_as_it_is_meant(world: World) -> None:
    device, pod, _ = attached(world, mac="02:00:00:00:60:0a")
    (result,) = world.results.values()
    (rail,) = result["interfaces"]
    on_host = {"name": "net1", "mac": "02:00:00:00:00:99"}  # another one of that name, elsewhere
    previous: dict[str, Any] = {
        **result,
        "interfaces": [on_host, {"name": "eth0"}, {**rail, "mac": rail["mac"].upper()}],
        "ips": [{"address": "192.0.2.1/24", "interface": 1}, {**result["ips"][0], "interface": 2}],
    }
    reply = world.call("CHECK", pod=pod, device=device, prevResult=previous)
    assert reply.exit_code == 0, reply.document


def test_check_names_the_subnet_of_an_address_that_was_put_beside_ours(world: World) -> None:
    device, pod, _ = attached(world)
    with world.kernel.open(pod) as opened:
        rail = opened.find("net1")
        assert rail is not None
        opened.add_address(rail.index, ip_interface("10.43.0.1/16"))
    reply = world.call("CHECK", pod=pod, device=device)
    failed(reply, Code.CHECK_FAILED, "carries the route 10.43.0.0/16")


def test_check_asks_the_ipam_plugin(world: World) -> None:
    device, pod, _ = attached(world)
    for file in world.paths.journal.parent.iterdir():
        file.unlink()
    reply = world.call("CHECK", pod=pod, device=device)
    failed(reply, Code.CHECK_FAILED, "holds no address")


def test_gc_frees_what_an_earlier_boot_left_whatever_its_clock_said(world: World) -> None:
    attached(world)
    (record,) = world.node.attachments.all()
    later = record.started + 10**18
    world.node.attachments.save(record.model_copy(update={"started": later, "boot_id": "earlier"}))
    assert gc(world).exit_code == 0
    assert (world.records(), world.held()) == ([], [])


def test_status_says_that_the_pf_is_too_small(memory: MemoryWorld) -> None:
    memory.add_function("0000:3b:02.1", pf_mtu=1500)
    reply = memory.call("STATUS", pod="", deviceID="0000:3b:02.1")
    failed(reply, Code.NOT_AVAILABLE, "ip link set dev ens1f0 mtu 9000")
