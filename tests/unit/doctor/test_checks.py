"""Each thing that can be wrong, alone, on a node that is well otherwise."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from cni.kernel.types import Route
from install.doctor.findings import Finding, Severity, worst
from install.doctor.wifi.checks import check
from install.doctor.wifi.facts import Facts, Refusal, Series
from tests.unit.doctor.given import (
    BRIDGE,
    LANDSCAPE,
    ONE,
    RADIO,
    SIX,
    TUNNEL,
    TWO,
    UPLINK,
    WELL,
    WLAN,
    link,
)  # fmt: skip

FIRST = "10.42.1.0/24"


def bad(facts: Facts) -> list[Finding]:
    """Return what is worse than good to know."""
    return [one for one in check(facts) if one.severity > Severity.INFO]


def only(facts: Facts, check: str, severity: Severity = Severity.WARNING) -> Finding:
    """Return the one thing that is wrong."""
    (found,) = bad(facts)
    assert (found.check, found.severity) == (check, severity)
    assert found.what
    assert found.why
    return found


def said(facts: Facts, check_: str) -> list[str]:
    return [one.what for one in check(facts) if one.check == check_]


def with_radio(**changed: object) -> Facts:
    return replace(WELL, uplinks=[replace(UPLINK, radio=replace(RADIO, **changed))])  # type: ignore[arg-type]  # by its keys


def test_a_node_that_is_well() -> None:
    assert bad(WELL) == []
    found = {one.check for one in check(WELL)}
    assert found >= {"uplink", "power-save", "signal", "backend", "checksums", "layer-2", "path"}


def test_the_worst_comes_first() -> None:
    facts = replace(with_radio(power_save=True), forwarding={4: "0"})
    found = [one.severity for one in check(facts)]
    assert found == sorted(found, reverse=True)
    assert worst(check(facts)) is Severity.ERROR
    assert worst([]) is Severity.OK


def test_power_save() -> None:
    found = only(with_radio(power_save=True), "power-save")
    assert found.mend[0] == "iw dev wlan0 set power_save off"
    assert "wifi.powersave=2" in found.mend[1]
    assert bad(with_radio(power_save=None)) == []


def test_the_radio_below_a_bridge_is_the_one_to_change() -> None:
    below = replace(
        UPLINK, link=link(2, "br0"), radio_name="wlan7", radio=replace(RADIO, power_save=True)
    )
    facts = replace(WELL, uplinks=[below])
    assert only(facts, "power-save").mend[0] == "iw dev wlan7 set power_save off"
    (words,) = said(facts, "uplink")
    assert words == (
        "br0 is the uplink, wireless by wlan7, 'home', 5180 MHz, sends at 72.2 Mbit/s"
    )  # fmt: skip


@pytest.mark.parametrize(("signal", "weak"), [(-70, False), (-71, True)])
def test_a_weak_signal(signal: int, weak: bool) -> None:  # noqa: FBT001
    assert [one.check for one in bad(with_radio(signal=signal))] == ["signal"] * weak
    assert said(with_radio(signal=None), "signal") == []


def test_no_uplink_and_no_carrier() -> None:
    only(replace(WELL, uplinks=[]), "uplink", Severity.ERROR)
    down = replace(UPLINK, link=replace(WLAN, carrier=False))
    assert "no carrier" in only(replace(WELL, uplinks=[down]), "uplink", Severity.ERROR).what


def test_checksums_that_are_left_to_hardware() -> None:
    found = only(replace(WELL, offloads={"flannel.1": True}), "checksums")
    assert found.mend[0].startswith("ethtool -K flannel.1 tx-checksum-ip-generic off")
    assert said(replace(WELL, offloads={"flannel.1": None}), "checksums") == []


@pytest.mark.parametrize(("mtu", "fits"), [(1500, True), (1499, False)])
def test_an_overlay_that_does_not_fit_into_the_uplink(mtu: int, fits: bool) -> None:  # noqa: FBT001
    facts = replace(WELL, uplinks=[replace(UPLINK, link=replace(WLAN, mtu=mtu))])
    assert [one.check for one in bad(facts)] == ["mtu"] * (not fits)
    if not fits:
        assert only(facts, "mtu").mend == ("ip link set dev flannel.1 mtu 1449",)


def test_an_outer_header_of_ipv6_is_longer() -> None:
    facts = replace(WELL, reached=[SIX], forwarding={6: "1"})
    assert bad(facts) == []
    facts = replace(facts, uplinks=[replace(UPLINK, link=replace(WLAN, mtu=1499))])
    assert only(facts, "mtu").mend == ("ip link set dev flannel-v6.1 mtu 1429",)


@pytest.mark.parametrize(("mtu", "fits"), [(1400, True), (1450, True), (1500, False)])
def test_a_bridge_that_lets_pods_send_more(mtu: int, fits: bool) -> None:  # noqa: FBT001
    links = [WLAN, TUNNEL, replace(BRIDGE, mtu=mtu), link(9, "docker0", "bridge", 1500)]
    facts = replace(WELL, landscape=replace(LANDSCAPE, links=links))
    assert [one.check for one in bad(facts)] == ["mtu"] * (not fits)
    if not fits:
        assert only(facts, "mtu").mend[0] == "ip link set dev cni0 mtu 1450"


def test_ipv6s_overlay_has_less_than_the_pods_of_both_families() -> None:
    assert bad(replace(WELL, reached=[ONE, TWO, SIX], forwarding={4: "1", 6: "1"})) == []


def test_a_node_that_does_not_forward() -> None:
    found = only(replace(WELL, forwarding={4: "0", 6: "0"}), "forwarding", Severity.ERROR)
    assert found.mend[0] == "sysctl -w net.ipv4.ip_forward=1"
    six = replace(WELL, reached=[ONE, SIX])
    assert "net.ipv6.conf.all.forwarding" in only(six, "forwarding", Severity.ERROR).what


@pytest.mark.parametrize(
    ("chain", "commands"),
    [
        ("ip filter FORWARD", ("iptables -I FORWARD -s 10.42.0.0/22 -j ACCEPT",
                               "iptables -I FORWARD -d 10.42.0.0/22 -j ACCEPT")),
        ("iptables-legacy filter FORWARD",
         ("iptables-legacy -I FORWARD -s 10.42.0.0/22 -j ACCEPT",
          "iptables-legacy -I FORWARD -d 10.42.0.0/22 -j ACCEPT")),
        ("ip6tables-legacy filter FORWARD",
         ("ip6tables-legacy -I FORWARD -s fd00:42::/47 -j ACCEPT",
          "ip6tables-legacy -I FORWARD -d fd00:42::/47 -j ACCEPT")),
        ("inet filter forward",
         ("nft insert rule inet filter forward ip saddr 10.42.0.0/22 accept",
          "nft insert rule inet filter forward ip daddr 10.42.0.0/22 accept",
          "nft insert rule inet filter forward ip6 saddr fd00:42::/47 accept",
          "nft insert rule inet filter forward ip6 daddr fd00:42::/47 accept")),
        ("ip6 mine deny", ("nft insert rule ip6 mine deny ip6 saddr fd00:42::/47 accept",
                           "nft insert rule ip6 mine deny ip6 daddr fd00:42::/47 accept")),
    ],
)  # fmt: skip
def test_a_firewall_that_drops_what_is_forwarded(chain: str, commands: tuple[str, ...]) -> None:
    facts = replace(
        WELL, reached=[ONE, TWO, SIX], forwarding={4: "1", 6: "1"}, dropping=[chain]
    )  # fmt: skip
    found = only(facts, "firewall")
    assert found.mend == commands
    assert chain in found.what


def test_a_kernel_without_nftables_or_vxlan() -> None:
    assert only(replace(WELL, nftables=False), "nftables").mend == ("modprobe nf_tables",)
    facts = replace(WELL, vxlan=False, landscape=replace(LANDSCAPE, tunnels=[]), reached=[])
    assert [one.check for one in bad(facts)] == ["vxlan", "backend", "peers"]


def test_strict_filters_are_an_error_where_paths_are_direct() -> None:
    facts = replace(WELL, filters={"wlan0": "1", "flannel.1": "2"})
    assert only(facts, "rp-filter").mend == ("sysctl -w net.ipv4.conf.wlan0.rp_filter=2",)
    direct = Route(ip_network(FIRST), 2, ip_address("192.168.1.11"), table=142, protocol=142)
    facts = replace(facts, direct=[direct])
    only(facts, "rp-filter", Severity.ERROR)
    assert said(facts, "direct") == [f"rail-hostgw has direct routes to {FIRST}"]


def test_a_file_that_the_agent_does_not_take() -> None:
    refusal = Refusal("key", "/etc/railcni/hostgw.key is missing", "openssl rand -hex 32")
    found = only(replace(WELL, refused=[refusal]), "key", Severity.ERROR)
    assert (found.what, found.mend) == (refusal.what, (refusal.cure,))
    assert (
        only(replace(WELL, refused=[replace(refusal, cure="")]), "key", Severity.ERROR).mend == ()
    )


def test_cilium_is_told_of_its_own_way() -> None:
    links = [WLAN, link(7, "cilium_vxlan", "vxlan")]
    facts = replace(WELL, landscape=replace(LANDSCAPE, links=links, tunnels=[links[1]]))
    assert "autoDirectNodeRoutes" in only(facts, "backend").what


def test_what_could_not_be_looked_at_is_said() -> None:
    words = "arping -I wlan0: Operation not permitted"
    assert only(replace(WELL, unknown=[words]), "unknown").what == words


def test_a_silent_peer_on_the_air_whose_router_answers() -> None:
    silent = replace(TWO, answers=False, node=None, overlay=None)
    facts = replace(WELL, reached=[ONE, silent])
    found = only(facts, "isolation", Severity.ERROR)
    assert "192.168.1.12" in found.what
    assert "192.168.1.11" not in found.what
    assert "probably" in found.what
    for other in (replace(UPLINK, gateway_answers=False), replace(UPLINK, wireless=False)):
        only(replace(facts, uplinks=[other]), "layer-2", Severity.ERROR)


def test_a_peer_behind_a_router_is_no_trouble() -> None:
    far = replace(TWO, answers=None, refusal="its node is behind the router 192.168.1.1")
    facts = replace(WELL, reached=[ONE, far])
    assert bad(facts) == []
    assert any("behind the router" in words for words in said(facts, "layer-2"))


def test_the_path_that_is_to_blame_is_named() -> None:
    slow = Series(20, (150.0,) * 20)
    facts = replace(WELL, reached=[replace(ONE, node=slow, overlay=slow), TWO])
    under = only(facts, "path")
    assert under.what == f"{FIRST}: the path to its node takes 150.0 ms: blame the underlay"
    over = only(replace(WELL, reached=[replace(ONE, overlay=slow), TWO]), "path")
    assert "blame the overlay" in over.what
    assert under.mend != over.mend
    assert "median 0.5 ms" in over.why
    assert "median 150.0 ms, at most 150.0 ms" in over.why


def test_no_peers_and_very_many() -> None:
    only(replace(WELL, reached=[]), "peers")
    assert said(replace(WELL, unmeasured=7), "peers") == ["7 more peers were not measured"]


def in_wsl(**changed: object) -> Facts:
    return replace(WELL, release="6.6.87.2-microsoft-standard-WSL2", **changed)  # type: ignore[arg-type]  # by its keys


def test_wsl_behind_nat_mirrored_and_bridged() -> None:
    card = replace(WLAN, mac="00:15:5d:4a:00:01")
    nat = replace(UPLINK, link=card, addresses=(ip_interface("172.28.16.5/20"),))
    assert "NAT" in only(in_wsl(uplinks=[nat]), "wsl", Severity.ERROR).what
    links = [*LANDSCAPE.links, link(8, "loopback0")]
    mirrored = only(in_wsl(landscape=replace(LANDSCAPE, links=links)), "wsl")
    assert "WSL#12065" in mirrored.why
    assert '"mode": "off"' in mirrored.mend[0]
    for uplink in (replace(nat, addresses=UPLINK.addresses), replace(nat, link=WLAN)):
        facts = in_wsl(uplinks=[uplink])
        assert bad(facts) == []
        assert any("bridged" in words for words in said(facts, "wsl"))
    assert said(replace(WELL, uplinks=[nat]), "wsl") == []
