"""What the fake does that no test can make the running kernel do."""

from __future__ import annotations

import errno
from collections.abc import Callable
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from cni.kernel.fake import FakeKernel, releases
from cni.kernel.interface import Kernel
from cni.kernel.types import KernelError, Link, NetnsGoneError, Route, Rule

POD = "/run/netns/pod"
MAC = "02:aa:00:00:00:01"
PCI = "0000:3b:02.1"
V6 = ip_interface("fd00:60::2/64")


@pytest.fixture
def kernel() -> FakeKernel:
    fake = FakeKernel()
    fake.add_namespace(POD)
    fake.add_physical("ens1v0", MAC, pci=PCI)
    return fake


def on_host(kernel: FakeKernel, name: str) -> Link:
    link = kernel.host.find(name)
    assert link
    return link


def move_into_pod(kernel: FakeKernel, name: str = "net1") -> None:
    with kernel.open(POD) as pod:
        kernel.host.move(on_host(kernel, "ens1v0").index, pod, name)


def test_it_is_a_kernel() -> None:
    kernel: Kernel = FakeKernel()
    assert kernel.host.find("lo")


def test_hardware_has_a_bus_address_and_a_permanent_mac(kernel: FakeKernel) -> None:
    index = on_host(kernel, "ens1v0").index
    kernel.host.set_mac(index, "02:00:00:00:00:bb")

    link = on_host(kernel, "ens1v0")
    assert (link.kind, link.parent) == ("", PCI)
    assert (link.mac, link.permanent_mac) == ("02:00:00:00:00:bb", MAC)


def test_hardware_comes_home_when_its_namespace_dies(kernel: FakeKernel) -> None:
    move_into_pod(kernel)
    kernel.delete_namespace(POD)

    assert on_host(kernel, "net1").parent == PCI


def test_it_comes_home_as_devn_where_its_name_is_taken(kernel: FakeKernel) -> None:
    move_into_pod(kernel, "eth0")
    kernel.add_physical("eth0")
    with kernel.open(POD) as pod:
        inside = pod.find("eth0")
        assert inside
    kernel.delete_namespace(POD)

    assert on_host(kernel, f"dev{inside.index}").permanent_mac == MAC


def test_it_comes_home_without_an_altname_that_is_taken(kernel: FakeKernel) -> None:
    kernel.host.add_altname(on_host(kernel, "ens1v0").index, "rail-a")
    move_into_pod(kernel)
    kernel.host.add_altname(kernel.add_physical("ens2v0").index, "rail-a")
    kernel.delete_namespace(POD)

    assert on_host(kernel, "net1").altnames == ()


def test_an_open_namespace_does_not_die(kernel: FakeKernel) -> None:
    move_into_pod(kernel)
    with kernel.open(POD) as pod:
        kernel.delete_namespace(POD)
        assert pod.find("net1")
        assert kernel.host.find("net1") is None

    assert kernel.host.find("net1")


def test_a_process_keeps_a_namespace(kernel: FakeKernel) -> None:
    kernel.add_path(POD, "/proc/77/ns/net")
    kernel.delete_namespace(POD)
    with kernel.open("/proc/77/ns/net"):
        pass
    kernel.delete_namespace("/proc/77/ns/net")

    with pytest.raises(NetnsGoneError), kernel.open("/proc/77/ns/net"):
        pytest.fail("its process has ended")


def test_an_inode_is_used_again_and_a_cookie_is_not(kernel: FakeKernel) -> None:
    with kernel.open(POD) as pod:
        former = pod.identity
    kernel.delete_namespace(POD)
    later = kernel.add_namespace(POD)

    assert (later.device, later.inode) == (former.device, former.inode)
    assert later.cookie != former.cookie


def test_carrier_comes_with_a_delay_that_costs_no_time() -> None:
    kernel = FakeKernel()
    index = kernel.add_physical("ens1v0", carrier_delay=30).index
    kernel.host.set_up(index)
    before = kernel.uptime()

    assert not kernel.host.wait_for_carrier(index, 10)
    assert kernel.uptime() == before + 10 * 10**9
    assert kernel.host.wait_for_carrier(index, 60)
    assert kernel.uptime() == before + 30 * 10**9


def test_a_pulled_cable(kernel: FakeKernel) -> None:
    index = on_host(kernel, "ens1v0").index
    kernel.host.set_up(index)
    assert kernel.host.wait_for_carrier(index, 0)

    kernel.set_carrier("ens1v0", connected=False)
    assert not kernel.host.wait_for_carrier(index, 1)


@pytest.mark.parametrize(
    ("accept_ra", "forwarding", "accepts"),
    [("0", "0", False), ("1", "0", True), ("1", "1", False), ("2", "1", True)],
)
def test_a_router_advertisement(
    kernel: FakeKernel, accept_ra: str, forwarding: str, *, accepts: bool
) -> None:
    move_into_pod(kernel)
    with kernel.open(POD) as pod:
        pod.set_sysctl("ipv6/conf/net1/accept_ra", accept_ra)
        pod.set_sysctl("ipv6/conf/net1/forwarding", forwarding)
        link = pod.find("net1")
        assert link
        kernel.advertise_router(POD)
        assert list(pod.routes(link.index)) == []
        pod.set_up(link.index)
        kernel.advertise_router(POD)
        kernel.advertise_router(POD)

        defaults = [r for r in pod.routes(link.index) if r.dst == ip_network("::/0")]
    expected = Route(
        ip_network("::/0"), link.index, ip_address("fe80::1"), priority=1024, protocol=9
    )
    assert defaults == ([expected] if accepts else [])


def test_a_kernel_without_ipv6() -> None:
    kernel = FakeKernel(ipv6=False)
    index = kernel.add_physical("ens1v0").index
    kernel.host.set_up(index)

    assert kernel.host.sysctl("ipv6/conf/ens1v0/accept_ra") is None
    assert kernel.host.sysctl("ipv4/conf/ens1v0/rp_filter") == "0"
    assert {rule.source.version for rule in kernel.host.rules()} == {4}
    assert list(kernel.host.addresses(index)) == []
    with pytest.raises(KernelError, match=f"Errno {errno.EOPNOTSUPP}"):
        kernel.host.add_address(index, V6)
    with pytest.raises(KernelError, match=f"Errno {errno.EOPNOTSUPP}"):
        kernel.host.add_route(Route(V6.network, index))
    with pytest.raises(KernelError, match=f"Errno {errno.EAFNOSUPPORT}"):
        kernel.host.add_rule(Rule(V6.network, 1000, 7))


def test_a_crash_before_a_change_changes_nothing(kernel: FakeKernel) -> None:
    seen = []

    def crash(verb: str) -> None:
        seen.append(verb)
        raise SystemExit

    kernel.machine.before_change = crash
    with pytest.raises(SystemExit):
        kernel.host.set_mtu(on_host(kernel, "ens1v0").index, 9000)

    assert seen == ["ip link set dev ens1v0 mtu 9000"]
    assert on_host(kernel, "ens1v0").mtu == 1500


def test_announcements_are_recorded(kernel: FakeKernel) -> None:
    move_into_pod(kernel)
    with kernel.open(POD) as pod:
        link = pod.find("net1")
        assert link
        pod.set_up(link.index)
        pod.announce(link.index, [V6])

        (sent,) = kernel.announcements
        assert (sent.netns, sent.device, sent.mac, sent.address) == (pod.identity, "net1", MAC, V6)


def test_an_unplugged_adapter_is_gone(kernel: FakeKernel) -> None:
    kernel.delete_link("ens1v0")
    assert kernel.host.find("ens1v0") is None


def test_an_older_one_refuses_and_leaves_out_what_it_has_not_learned() -> None:
    kernel = FakeKernel(linux=releases.OLDEST)
    kernel.add_physical("ens1v0", MAC, pci=PCI)
    link, host = on_host(kernel, "ens1v0"), kernel.host
    assert (link.permanent_mac, link.parent, link.min_mtu, link.max_mtu) == ("", "", 0, 0)
    assert host.identity.cookie == 0
    host.set_up(link.index)
    by_ipv6 = Route(ip_network("10.61.0.0/16"), link.index, ip_address("fe80::1"))
    refused: list[tuple[int, Callable[[], None]]] = [
        (errno.EOPNOTSUPP, lambda: host.add_altname(link.index, "rail-a")),
        (errno.EOPNOTSUPP, lambda: host.remove_altname(link.index, "rail-a")),
        (errno.EBUSY, lambda: host.rename(link.index, "rail0")),
        (errno.EINVAL, lambda: host.add_route(by_ipv6)),
    ]
    for number, verb in refused:
        with pytest.raises(KernelError) as refusal:
            verb()
        assert refusal.value.errno == number
    assert kernel.host.link(link.index) == on_host(kernel, "ens1v0")
