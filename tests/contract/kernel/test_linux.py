"""What only the running kernel can show."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from cni.kernel.frames import announcement
from cni.kernel.netns import NetnsThread
from cni.kernel.types import Interface, KernelError, Route, Rule
from tests.contract.kernel.worlds import HOST, LinuxWorld, eventually, get, inside, ip

pytestmark = pytest.mark.netns

ETH_P_ALL = 3
ADDRESSES = [ip_interface("10.60.0.2/16"), ip_interface("fd00:60::2/64")]


@pytest.fixture
def path(linux: LinuxWorld) -> str:
    return linux.namespace()


def test_announcements_reach_the_other_end(linux: LinuxWorld, path: str) -> None:
    name, peer = linux.veth(path)
    with linux.kernel.open(path) as pod, NetnsThread() as thread:
        for end in (name, peer):
            pod.set_up(get(pod, end).index)
        link = get(pod, name)
        assert pod.wait_for_carrier(link.index, 2)
        thread.enter(path)
        listener = thread.run(lambda: listen(peer))
        with listener:
            pod.announce(link.index, ADDRESSES)
            expected = {announcement(link.mac, address.ip) for address in ADDRESSES}
            while expected:
                expected.discard(listener.recv(2048))


def listen(device: str) -> socket.socket:
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    listener.bind((device, ETH_P_ALL))
    listener.settimeout(2)
    return listener


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_neighbour_learns_from_an_announcement(
    linux: LinuxWorld, path: str, address: Interface
) -> None:
    name, peer = linux.veth(path, other := linux.namespace())
    for namespace, device in ((path, name), (other, peer)):
        ip(*inside(namespace), "link", "set", device, "up")
    for own in ("10.60.0.3/16", "fd00:60::3/64"):
        ip(*inside(other), "address", "add", own, "dev", peer, "nodad")
    stale = ["lladdr", "02:00:00:00:00:01", "dev", peer, "nud", "stale"]
    ip(*inside(other), "neighbour", "add", str(address.ip), *stale)
    with linux.kernel.open(path) as pod:
        link = get(pod, name)

        def has_learnt() -> bool:
            pod.announce(link.index, [address])
            return link.mac in neighbours(other)

        # Again and again: the other end's IPv6 is not listening from the first instant.
        eventually(has_learnt)


def neighbours(path: str) -> str:
    show = ["ip", *inside(path), "neighbour", "show"]
    return subprocess.run(show, check=True, capture_output=True, text=True).stdout


def test_ipv6_addresses_are_usable_at_once(linux: LinuxWorld, path: str) -> None:
    name, _ = linux.veth(path)
    with linux.kernel.open(path) as pod:
        link = get(pod, name)
        pod.add_address(link.index, ip_interface("fd00:60::2/64"))
        pod.set_up(link.index)
    show = ["ip", *inside(path), "-6", "address", "show", "dev", name, "tentative"]
    shown = subprocess.run(show, check=True, capture_output=True, text=True).stdout
    assert "fd00:60::2" not in shown


@pytest.fixture
def rail(linux: LinuxWorld, path: str) -> str:
    """A link that is up and has addresses."""
    name, peer = linux.veth(path)
    for end in (name, peer):
        ip(*inside(path), "link", "set", end, "up")
    for address in ADDRESSES:
        ip(*inside(path), "address", "add", str(address), "dev", name, "nodad")
    return name


@pytest.mark.parametrize(
    ("dst", "gateways"),
    [
        ("10.61.0.0/16", ["10.60.0.1", "10.60.0.9"]),
        ("fd00:61::/64", ["fd00:60::1", "fd00:60::9"]),
    ],
)
def test_every_hop_of_a_multipath_route(
    linux: LinuxWorld, path: str, rail: str, dst: str, gateways: list[str]
) -> None:
    hops = [word for hop in gateways for word in ("nexthop", "via", hop, "dev", rail)]
    ip(*inside(path), "route", "add", dst, *hops)

    assert [route.gateway for route in routes_to(linux, path, rail, dst)] == [
        ip_address(gateway) for gateway in gateways
    ]


def test_a_route_by_a_nexthop_object(linux: LinuxWorld, path: str, rail: str) -> None:
    ip(*inside(path), "nexthop", "add", "id", "7", "via", "10.60.0.1", "dev", rail)
    ip(*inside(path), "route", "add", "10.61.0.0/16", "nhid", "7")

    (route,) = routes_to(linux, path, rail, "10.61.0.0/16")
    assert route.gateway == ip_address("10.60.0.1")


def test_what_a_router_advertised(linux: LinuxWorld, path: str, rail: str) -> None:
    words = ["default", "via", "fe80::1", "dev", rail, "proto", "ra"]
    ip(*inside(path), "-6", "route", "add", *words)

    (route,) = routes_to(linux, path, rail, "::/0")
    assert (route.protocol, route.gateway) == (9, ip_address("fe80::1"))


def routes_to(linux: LinuxWorld, path: str, device: str, dst: str) -> list[Route]:
    with linux.kernel.open(path) as pod:
        routes = pod.routes(get(pod, device).index)
        return [route for route in routes if route.dst == ip_network(dst)]


@pytest.mark.parametrize(
    "more",
    [
        ["iif", "lo"],
        ["oif", "lo"],
        ["sport", "5-6"],
        ["dport", "5-6"],
        ["tos", "10"],
        ["suppress_prefixlength", "0"],
    ],
)
def test_rules_that_say_more_are_left_out(linux: LinuxWorld, path: str, more: list[str]) -> None:
    with linux.kernel.open(path) as pod:
        before = pod.rules()
        ip(*inside(path), "rule", "add", "from", "10.60.0.2", *more, "lookup", "1000")
        ip(*inside(path), "rule", "add", "not", "from", "10.60.0.2", "lookup", "1000")
        ip(*inside(path), "rule", "add", "from", "10.60.0.2", "blackhole")

        assert pod.rules() == before


def test_rules_made_by_iproute2(linux: LinuxWorld, path: str) -> None:
    words = ["from", "10.60.0.2", "lookup", "100000", "priority", "77"]
    ip(*inside(path), "rule", "add", *words)
    to = ["to", "10.61.0.0/16", "protocol", "142"]
    more = ["fwmark", "7", "ipproto", "udp", "sport", "68", "dport", "4790"]
    ip(*inside(path), "rule", "add", *words, *to)
    ip(*inside(path), "rule", "add", *words, *more)

    rule = Rule(ip_network("10.60.0.2/32"), 100000, 77)
    with linux.kernel.open(path) as pod:
        rules = set(pod.rules())
    assert rule in {replace(rule, protocol=0) for rule in rules}  # or boot, of other releases
    assert replace(rule, to=ip_network("10.61.0.0/16"), protocol=142) in rules
    marked = replace(rule, mark=7, mask=0xFFFF_FFFF, ip_protocol=17, port=4790, source_port=68)
    assert marked in {replace(rule, protocol=0) for rule in rules}


@pytest.mark.parametrize("where", ["pod", "host"])
def test_settings_where_proc_sys_is_read_only(linux: LinuxWorld, path: str, where: str) -> None:
    name, peer = linux.veth(HOST, path)
    script = f"""
import os
from cni.kernel.linux import LinuxKernel
kernel = LinuxKernel()
assert not os.access("/proc/sys/net/ipv4/ip_forward", os.W_OK)
with kernel.open({path!r}) as pod:
    namespace, name = (pod, {peer!r}) if {where!r} == "pod" else (kernel.host, {name!r})
    before = os.readlink("/proc/self/ns/mnt"), open("/proc/self/mountinfo").read()
    for key in ("ipv6/conf/" + name + "/accept_ra", "ipv4/conf/" + name + "/rp_filter"):
        namespace.set_sysctl(key, "2")
        assert namespace.sysctl(key) == "2", key
    assert before == (os.readlink("/proc/self/ns/mnt"), open("/proc/self/mountinfo").read())
"""
    lock = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec"
    command = f'{lock} "$0" -c "$1"'
    subprocess.run(
        ["unshare", "--mount", "sh", "-c", command, sys.executable, script],
        check=True,
        timeout=20,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
    )


def test_the_search_says_when_it_could_not_see_everything(
    linux: LinuxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = linux.namespace()
    hidden = Path(linux.keep_alive(path))
    real = Path.stat

    def stat(file: Path, **options: bool) -> os.stat_result:
        if file == hidden:
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return real(file, **options)

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(KernelError, match="Permission denied"):  # noqa: SIM117 - one may open
        with linux.kernel.search(lambda _: False):
            pytest.fail("this is no evidence that there is no such namespace")


def test_an_error_says_what_the_kernel_said(linux: LinuxWorld, path: str) -> None:
    name, _ = linux.veth(path)
    with linux.kernel.open(path) as pod:
        index = get(pod, name).index
        route = Route(ip_network("10.61.0.0/16"), index, ip_address("10.60.0.1"), priority=7)
        pod.set_up(index)
        with pytest.raises(KernelError) as refusal:
            pod.add_route(route)

    assert refusal.value.verb == (
        f"ip route add 10.61.0.0/16 via 10.60.0.1 table 254 metric 7 dev {name}"
    )
    assert str(refusal.value).endswith("Nexthop has invalid gateway")


def test_nothing_leaks(linux: LinuxWorld, path: str) -> None:
    def look() -> None:
        with linux.kernel.open(path) as pod:
            pod.links()
            assert pod.sysctl("ipv4/ip_forward")
        with linux.kernel.search(lambda _: True) as found:
            assert found
            assert found.identity.inode
        linux.kernel.host.link(1)

    look()
    before = held()
    for _ in range(100):
        look()
    with pytest.raises(KernelError), linux.kernel.open("/proc/self/ns/uts"):
        pytest.fail("this is no network namespace")

    assert held() == before


def held() -> tuple[list[str], list[threading.Thread]]:
    """Return this process's descriptors and threads."""
    descriptors = [file.name for file in Path("/proc/self/fd").iterdir()]
    return sorted(descriptors), threading.enumerate()


def test_namespaces_do_not_mix(linux: LinuxWorld) -> None:
    paths = [linux.namespace() for _ in range(4)]
    names = {path: linux.veth(path)[0] for path in paths}
    failures: list[str] = []

    def work(path: str) -> None:
        for _ in range(10):
            with linux.kernel.open(path) as pod:
                if not pod.find(names[path]) or len(pod.links()) != 3:
                    failures.append(path)
                if linux.kernel.host.find(names[path]):
                    failures.append(HOST)

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_who_asks_a_namespace_that_was_left_is_not_kept_waiting(linux: LinuxWorld) -> None:
    with linux.kernel.new_namespace() as own:
        assert own.find("lo")
    with pytest.raises(KernelError, match="left"):
        own.datagrams(ip_address("127.0.0.1"), 9754)
