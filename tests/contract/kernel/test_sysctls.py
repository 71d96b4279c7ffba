"""Settings below `/proc/sys/net/`."""

from __future__ import annotations

import errno

import pytest

from cni.kernel.interface import Namespace
from cni.kernel.types import KernelError, Link
from tests.contract.kernel.worlds import World, refuses


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ipv4/conf/{}/rp_filter", "0"),
        ("ipv4/conf/{}/arp_ignore", "0"),
        ("ipv6/conf/{}/accept_ra", "1"),
        ("ipv6/conf/{}/addr_gen_mode", "0"),
        ("ipv4/neigh/{}/gc_stale_time", "60"),
    ],
)
def test_what_a_new_link_has(pod: Namespace, link: Link, key: str, value: str) -> None:
    assert pod.sysctl(key.format(link.name)) == value


def test_one_links_setting(pod: Namespace, pair: tuple[Link, Link]) -> None:
    one, other = pair
    pod.set_sysctl(f"ipv4/conf/{one.name}/rp_filter", "2")

    assert pod.sysctl(f"ipv4/conf/{one.name}/rp_filter") == "2"
    assert pod.sysctl(f"ipv4/conf/{other.name}/rp_filter") == "0"
    assert pod.sysctl("ipv4/conf/all/rp_filter") == "0"


def test_one_namespaces_setting(world: World, pod: Namespace) -> None:
    pod.set_sysctl("ipv6/conf/default/accept_ra", "0")

    with world.kernel.open(world.namespace()) as other:
        assert other.sysctl("ipv6/conf/default/accept_ra") == "1"
    assert pod.sysctl("ipv6/conf/default/accept_ra") == "0"


def test_a_setting_follows_the_name(pod: Namespace, link: Link) -> None:
    pod.set_sysctl(f"ipv4/conf/{link.name}/arp_announce", "2")
    pod.rename(link.index, "net1")

    assert pod.sysctl("ipv4/conf/net1/arp_announce") == "2"
    assert pod.sysctl(f"ipv4/conf/{link.name}/arp_announce") is None


def test_the_hosts_settings(world: World) -> None:
    host = world.kernel.host
    name, _ = world.veth()
    host.set_sysctl(f"ipv6/conf/{name}/accept_ra", "0")

    assert host.sysctl(f"ipv6/conf/{name}/accept_ra") == "0"


@pytest.mark.parametrize("key", ["ipv4/conf/nobody/rp_filter", "ipv4/conf/lo/nothing"])
def test_a_file_that_is_not_there(pod: Namespace, key: str) -> None:
    assert pod.sysctl(key) is None
    refuses(errno.ENOENT, lambda: pod.set_sysctl(key, "1"))


def test_a_value_that_is_no_number(pod: Namespace, link: Link) -> None:
    key = f"ipv6/conf/{link.name}/accept_ra"

    refuses(errno.EINVAL, lambda: pod.set_sysctl(key, "never"))
    assert pod.sysctl(key) == "1"


@pytest.mark.parametrize("key", ["../kernel/hostname", "/etc/hostname", "ipv4/./ip_forward", ""])
def test_a_key_that_leads_out(pod: Namespace, key: str) -> None:
    with pytest.raises(KernelError):
        pod.sysctl(key)
    refuses(errno.EINVAL, lambda: pod.set_sysctl(key, "1"))
