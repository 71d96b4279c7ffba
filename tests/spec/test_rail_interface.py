"""What a pod has after ADD: a rail that carries jumbo frames, answers at once and stays itself."""

from __future__ import annotations

import subprocess
from functools import partial
from ipaddress import IPv6Network, ip_interface

import pytest

from tests.spec.node import Namespace, Node, port_of, wait_until
from tests.spec.runtime import Runtime, Slot, rail
from tests.spec.wire import Announcement, announcement, await_frame, router_advertisement

pytestmark = pytest.mark.netns

BOTH_FAMILIES = {"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"]}


@pytest.fixture
def pod(node: Node) -> Namespace:
    return node.pod()


def test_jumbo_frames_cross_the_rail_and_not_one_byte_more(node: Node, runtime: Runtime) -> None:
    one, other = node.pod(), node.pod()
    runtime.add(rail(node.device()), Slot(one.path, "c1"))
    (address,) = runtime.add(rail(node.device()), Slot(other.path, "c2")).addresses
    assert _ping(one, address, 8972).returncode == 0
    refused = _ping(one, address, 8973)
    assert refused.returncode != 0
    assert "mtu=9000" in refused.stdout + refused.stderr


def test_the_result_is_what_the_kernel_has(node: Node, runtime: Runtime, pod: Namespace) -> None:
    added = runtime.add(rail(node.device(), ipam=BOTH_FAMILIES, mtu=4200), Slot(pod.path))
    (interface,) = added.document["interfaces"]
    link = pod.link("net1")
    assert interface == {
        "name": "net1", "mac": link["address"], "mtu": link["mtu"], "sandbox": pod.path,
    }  # fmt: skip
    assert link["mtu"] == 4200
    assert [ip["interface"] for ip in added.document["ips"]] == [0, 0]
    assert pod.addresses("net1") == added.addresses
    assert pod.destinations("net1") == {"10.60.0.0/16", "fd00:60::/64"}


def test_the_rail_has_its_sysctls_and_no_other_interface_gets_them(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    wanted = {
        "ipv4/conf/{}/arp_ignore": "1",
        "ipv4/conf/{}/arp_announce": "2",
        "ipv4/conf/{}/rp_filter": "2",
        "ipv6/conf/{}/accept_ra": "0",
    }
    before = [pod.sysctl(key.format("lo")) for key in wanted]
    runtime.add(rail(node.device()), Slot(pod.path))
    assert {key: pod.sysctl(key.format("net1")) for key in wanted} == wanted
    assert [pod.sysctl(key.format("lo")) for key in wanted] == before


def test_an_ipv6_address_is_usable_at_once(node: Node, runtime: Runtime, pod: Namespace) -> None:
    device, other = node.device(), node.device()
    runtime.add(rail(device, ipam=BOTH_FAMILIES), Slot(pod.path))
    assert not _is_tentative(pod, "net1", "fd00:60::")
    # What the kernel does with an address that is added in the usual way:
    node.ip("link", "set", other, "up", "netns", pod.name)
    pod.ip("address", "add", "fd00:99::1/64", "dev", other)
    assert _is_tentative(pod, other, "fd00:99::1")


def test_the_neighbours_are_told_of_both_addresses(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    device = node.device()
    with node.packets(port_of(device)) as packets:
        added = runtime.add(rail(device, ipam=BOTH_FAMILIES), Slot(pod.path))
        mac = pod.link("net1")["address"]
        expected = {Announcement(mac, ip_interface(ip).ip) for ip in added.addresses}
        seen: set[Announcement | None] = set()
        while not expected <= seen:
            frame = await_frame(packets, lambda frame: announcement(frame) is not None, 5)
            seen.add(announcement(frame))
    assert len(expected) == 2


def test_a_router_advertisement_changes_nothing_on_the_rail(
    node: Node, runtime: Runtime, pod: Namespace
) -> None:
    """The same frame gives a default route to an interface that the plugin has not made."""
    device, ordinary = node.device(), node.device()
    slot, config = Slot(pod.path), rail(device, ipam=BOTH_FAMILIES)
    added = runtime.add(config, slot)
    node.ip("link", "set", ordinary, "up", "netns", pod.name)
    pod.set_sysctl(f"ipv6/conf/{ordinary}/accept_ra_rt_info_max_plen", "64")
    before = pod.routes("net1"), pod.addresses("net1")

    frame = router_advertisement(IPv6Network("2001:db8:1::/64"), IPv6Network("2001:db8:2::/48"))
    for name, port in (("net1", port_of(device)), (ordinary, port_of(ordinary))):
        with node.packets(port) as packets:
            packets.send(frame)
        wait_until(partial(_has_met_a_router, pod, name), f"a router advertisement on {name}")

    told = {"default", "2001:db8:1::/64", "2001:db8:2::/48"}
    wait_until(lambda: told <= pod.destinations(ordinary), f"routes to {told}")
    assert (pod.routes("net1"), pod.addresses("net1")) == before
    assert runtime.check(config, slot, added).exit_code == 0


def _ping(pod: Namespace, address: str, size: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "netns", "exec", pod.name, "ping", "-c", "1", "-W", "2", "-M", "do",
         "-s", str(size), str(ip_interface(address).ip)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def _is_tentative(pod: Namespace, device: str, address: str) -> bool:
    (shown,) = pod.show("address", "show", "dev", device)
    (found,) = (info for info in shown["addr_info"] if info["local"].startswith(address))
    return bool(found.get("tentative"))


def _has_met_a_router(pod: Namespace, interface: str) -> bool:
    """Return whether the kernel has met a router advertisement there, taken or not."""
    counters = pod.run("cat", f"/proc/net/dev_snmp6/{interface}").splitlines()
    counts = dict(line.split() for line in counters)
    return counts["Icmp6InRouterAdvertisements"] != "0"
