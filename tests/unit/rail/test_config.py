"""The network configuration: what is accepted, and what the person reads who wrote it wrong."""

from __future__ import annotations

from typing import Any

import pytest

from cni.protocol.errors import CniError, Code
from cni.protocol.request import Request
from cni.protocol.versions import Command
from cni.rail import config as rail_config
from cni.rail import device_info


def request(config: dict[str, Any], **values: Any) -> Request:
    return Request(
        Command.ADD, "1.1.0", {"name": "roce-a", **config},
        container_id="c1", ifname="net1", **values,
    )  # fmt: skip


def refused(config: dict[str, Any], code: Code = Code.INVALID_CONFIG, **values: Any) -> str:
    asked = request(config, **values)
    with pytest.raises(CniError) as caught:
        rail_config.check_device(rail_config.read(asked), asked)
    assert caught.value.code == code
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "accepted"),
    [
        ("mtu", "9000", "integer"),
        ("mtu", 500, "1280"),
        ("mtu", 70000, "65535"),
        ("mtu", True, "integer"),
        ("mac", "02:00", "unicast MAC"),
        ("mac", "01:00:5e:00:00:01", "unicast MAC"),
        ("mac", "00:00:00:00:00:00", "unicast MAC"),
        ("deviceID", "3b:02.1", "PCI address"),
        ("deviceID", "0000:3b:02.1/../x", "PCI address"),
        ("device", "", "it is empty"),
        ("device", "x" * 16, "longer than 15"),
        ("device", "../../etc", "contains '/'"),
        ("onForeignRoute", "ignore", "'strip' or 'reject'"),
        ("prefixes", ["0.0.0.0/0"], "at least /8"),
        ("prefixes", ["2000::/3"], "at least /8"),
        ("prefixes", ["10.60.0.1/16"], "without host bits"),
        ("prefixes", [7], "a network like"),
        ("sourceRouting", "yes", "boolean"),
        ("sysctl", {"net.ipv4.conf.IFNAME.rp_filter": "1\n0"}, "one line"),
        ("sysctl", {"net.ipv4.conf.IFNAME.rp_filter": "²"}, "one line"),
        ("rail", "a b", "letters, digits"),
        ("sysctl", ["net.ipv4.ip_forward"], "expected an object"),
        ("logLevel", "loud", "'debug'"),
        ("vlan", 4095, "4094"),
        ("vlanQoS", 8, "7"),
        ("vlanProto", "qinq", "'802.1q'"),
        ("spoofchk", True, "'on' or 'off'"),
        ("trust", "yes", "'on' or 'off'"),
        ("link_state", "up", "'auto'"),
        ("min_tx_rate", -1, "greater than or equal to 0"),
        ("runtimeConfig", {"mac": "x"}, "unicast MAC"),
    ],
)
def test_a_bad_value_is_named_with_what_is_accepted(key: str, value: object, accepted: str) -> None:
    words = refused({"device": "dev0", key: value})
    assert key in words
    assert accepted in words


def test_every_problem_is_named_at_once() -> None:
    words = refused({"device": "dev0", "mtu": 1, "vlan": -1, "trust": 3})
    assert all(key in words for key in ("mtu", "vlan", "trust"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"vlanQoS": 3}, "vlanQoS is 3, but vlan is missing"),
        ({"vlanProto": "802.1q"}, "vlanProto is '802.1q', but vlan is missing"),
        ({"vlan": 0, "vlanQoS": 3}, "vlanQoS is 3, but vlan is 0"),
        ({"vlan": 0, "vlanProto": "802.1AD"}, "vlanProto is '802.1ad', but vlan is 0"),
    ],
)
def test_what_a_vlan_has_needs_a_vlan(given: dict[str, object], words: str) -> None:
    assert words in refused({"deviceID": "0000:3b:02.1", **given})


@pytest.mark.parametrize(
    "given",
    [
        {"vlan": 0},
        {"vlan": 0, "vlanQoS": 0, "vlanProto": "802.1q"},
        {"vlan": 4094, "vlanQoS": 7, "vlanProto": "802.1Q"},
        {"vlan": 1, "vlanProto": "802.1ad"},
    ],
)
def test_whole_vlans(given: dict[str, object]) -> None:
    config = rail_config.read(request({"deviceID": "0000:3b:02.1", **given}))
    assert config.vlan == given["vlan"]
    assert config.vlan_proto in {None, "802.1q", "802.1ad"}


def test_rates_must_fit() -> None:
    assert "at most max_tx_rate" in refused({"device": "d", "min_tx_rate": 9, "max_tx_rate": 5})


def test_exactly_one_device() -> None:
    assert "resourceName" in refused({})
    assert "expected one" in refused({"device": "d", "deviceID": "0000:3b:02.1"})


def test_the_runtimes_device_and_mac_win() -> None:
    config = rail_config.read(
        request({
            "deviceID": "0000:3b:02.1",
            "mac": "02:00:00:00:00:01",
            "args": {"cni": {"mac": "02:00:00:00:00:02"}},
            "runtimeConfig": {"mac": "02:00:00:00:00:0A", "deviceID": "0000:3B:02.2"},
        })
    )  # fmt: skip
    assert config.mac == "02:00:00:00:00:0a"
    assert config.pci_address == "0000:3b:02.2"


def test_macs_in_the_order_of_the_conventions() -> None:
    config = {"mac": "02:00:00:00:00:01"}
    by_argument = request(config, args={"MAC": "02:00:00:00:00:03"})
    assert rail_config.read(by_argument).mac == "02:00:00:00:00:03"
    both = request(
        config | {"args": {"cni": {"mac": "02:00:00:00:00:02"}}}, args={"MAC": "02:00:00:00:00:03"}
    )
    assert rail_config.read(both).mac == "02:00:00:00:00:02"
    assert rail_config.read(request(config)).mac == "02:00:00:00:00:01"
    assert rail_config.read(request({})).mac is None
    assert "mac is 'x'" in refused({"device": "d"}, args={"MAC": "x"})


def test_the_rail_of_both_halves_must_agree() -> None:
    words = refused({"device": "d", "rail": "a", "ipam": {"type": "rail-ipam", "rail": "b"}})
    assert "'a'" in words
    assert "'b'" in words


def test_unknown_keys_are_known_to_be_unknown() -> None:
    config = rail_config.read(request({"mtuu": 1, "cni.dev/attachments": [], "type": "rail-sriov"}))
    assert config.unknown_keys() == ["mtuu"]
    config = rail_config.read(request({"vlan_qos": 3, "runtimeConfig": {"ips": [], "macc": ""}}))
    assert config.unknown_keys() == ["vlan_qos", "runtimeConfig.macc"]


@pytest.mark.parametrize(
    "key",
    [
        "net.ipv4.conf.IFNAME.rp_filter",
        "net/ipv4/conf/net1/rp_filter",
        "net.ipv4.conf.net1.rp_filter",
    ],
)
def test_sysctls_of_this_interface(key: str) -> None:
    config = rail_config.read(request({"sysctl": {key: 0}}))
    assert rail_config.sysctls(config, "net1") == {"ipv4/conf/net1/rp_filter": "0"}


def test_a_dot_in_the_interfaces_name() -> None:
    config = rail_config.read(request({"sysctl": {"net.ipv6.neigh.net1.5.mcast_solicit": "1"}}))
    assert list(rail_config.sysctls(config, "net1.5")) == ["ipv6/neigh/net1.5/mcast_solicit"]


@pytest.mark.parametrize(
    "key",
    [
        "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0.rp_filter",
        "kernel.core_pattern", "net/ipv4/conf/net1/../all/forwarding", "net.core.somaxconn",
        "net/ipv4/conf/net1/x/../../../../../kernel/core_pattern", "net.ipv4.conf.net1",
        "/net/ipv4/conf/net1/rp_filter", "net.ipv6.conf.net1.accept_ra",
    ],
)  # fmt: skip
def test_every_other_sysctl_is_refused(key: str) -> None:
    assert key in refused({"device": "d", "sysctl": {key: "1"}})


@pytest.mark.parametrize(
    "file",
    ["/etc/cron.d/x", "/var/run/k8s.cni.cncf.io/devinfo/cni/../x", "x.json",
     "/var/run/k8s.cni.cncf.io/devinfo/cni/.x", "/var/run/k8s.cni.cncf.io/devinfo/cni"],
)  # fmt: skip
def test_a_device_info_file_is_nowhere_else(file: str) -> None:
    config = rail_config.read(request({"runtimeConfig": {"CNIDeviceInfoFile": file}}))
    with pytest.raises(CniError, match="CNIDeviceInfoFile"):
        device_info.path(config)
