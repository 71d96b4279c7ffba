"""The `[hostgw]` settings: what they may be, and where an error is."""

from __future__ import annotations

import logging
from ipaddress import ip_network
from pathlib import Path

import pytest

from cni.agent.config import load
from cni.agent.hostgw.path import Times
from cni.agent.hostgw.settings import HostgwSettings
from cni.hostgw.config import StaticPeer, Uplink
from cni.protocol.errors import CniError, Code


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def settings(folder: Path, text: str) -> HostgwSettings:
    found = load(written(folder, text)).hostgw
    assert found
    return found


def _stated(cidr: str) -> str:
    return f"{{ cidr = '{cidr}', address = '10.0.0.1' }}"


def test_without_the_section_nothing_is_looked_after(tmp_path: Path) -> None:
    assert load(written(tmp_path, "grace = 9")).hostgw is None
    assert load(tmp_path / "nothing.toml").hostgw is None


def test_an_empty_section_means_the_defaults(tmp_path: Path) -> None:
    found = settings(tmp_path, "[hostgw]")
    assert found == HostgwSettings()
    assert (found.mode, found.table, found.priority, found.mark, found.port) == (
        "wifi", 142, 5000, 0x01000000, 9754,
    )  # fmt: skip
    assert (found.key_file, found.conflists, found.conflist) == (
        "/etc/railcni/hostgw.key", "/etc/cni/net.d", None,
    )  # fmt: skip
    assert (found.pod_networks, found.overlay, found.peers, found.uplink) == ((), (), (), Uplink())
    assert found.times == Times(1.0, 20.0, 4.0, 30.0, 600.0)
    assert not found.spoof_guard


def test_all_keys(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        """
        [hostgw]
        mode = "observe"
        table = 1142
        priority = 4000
        podNetworks = ["10.42.0.0/16", "fd42::/48"]
        serviceNetworks = ["10.43.0.0/16"]
        overlay = ["flannel.1"]
        uplink = { name = "wlan0", wireless = true }
        mark = 0x80
        port = 9000
        keyFile = "/run/secrets/key"
        conflists = "/var/lib/rancher/k3s/agent/etc/cni/net.d"
        conflist = "/etc/cni/net.d/10-flannel.conflist"
        interval = 0.5
        up = 5
        limit = 2
        hold = 10
        longestHold = 60
        spoofGuard = true
        [[hostgw.peers]]
        cidr = "10.42.1.0/24"
        address = "192.168.1.11"
        """,
    )
    assert dict(found) == {
        "mode": "observe",
        "table": 1142,
        "priority": 4000,
        "pod_networks": (ip_network("10.42.0.0/16"), ip_network("fd42::/48")),
        "service_networks": (ip_network("10.43.0.0/16"),),
        "overlay": ("flannel.1",),
        "uplink": Uplink(name="wlan0", wireless=True),
        "peers": (StaticPeer.model_validate({"cidr": "10.42.1.0/24", "address": "192.168.1.11"}),),
        "mark": 0x80,
        "port": 9000,
        "key_file": "/run/secrets/key",
        "conflists": "/var/lib/rancher/k3s/agent/etc/cni/net.d",
        "conflist": "/etc/cni/net.d/10-flannel.conflist",
        "interval": 0.5,
        "up": 5.0,
        "limit": 2.0,
        "hold": 10.0,
        "longest_hold": 60.0,
        "spoof_guard": True,
    }
    assert found.times == Times(0.5, 5.0, 2.0, 10.0, 60.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("mode = 'on'", "hostgw.mode is 'on', expected 'wifi', 'always', 'observe' or 'off'"),
        ("mode = 3", "hostgw.mode is 3, expected 'wifi', 'always', 'observe' or 'off'"),
        ("table = 254", "hostgw.table is 254, expected a table of our own"),
        ("table = 0", "hostgw.table is 0, expected"),
        ("priority = 2", "hostgw.priority is 2, expected greater than or equal to 3"),
        ("priority = 32766", "hostgw.priority is 32766, expected less than or equal to 32765"),
        ("podNetworks = '10.42.0.0/16'", "hostgw.podNetworks is '10.42.0.0/16', expected"),
        ("podNetworks = ['10.0.0.0/4']", "hostgw.podNetworks.0 is '10.0.0.0/4', expected a net"),
        ("podNetworks = ['10.1.0.0/16', '10.2.0.0/16']", "expected at most one network of each"),
        ("overlay = ['a/b']", "hostgw.overlay.0 is 'a/b', expected the name of an interface"),
        ("uplink = { name = 'a b' }", "hostgw.uplink.name is 'a b', expected the name of an"),
        ("uplink = { wireless = 'yes' }", "hostgw.uplink.wireless is 'yes', expected"),
        ("mark = 0", "hostgw.mark is 0, expected greater than or equal to 1"),
        ("mark = 4294967296", "hostgw.mark is 4294967296, expected less than or equal to"),
        ("mark = true", "hostgw.mark is True, expected"),
        ("port = 0", "hostgw.port is 0, expected greater than or equal to 1"),
        # The next port is the overlay's, and of 65535 the kernel takes no rule.
        ("port = 65534", "hostgw.port is 65534, expected less than or equal to 65533"),
        ("keyFile = 'key'", "hostgw.keyFile is 'key', expected an absolute path"),
        ("keyFile = 3", "hostgw.keyFile is 3, expected"),
        ("conflists = 'net.d'", "hostgw.conflists is 'net.d', expected an absolute path"),
        ("conflist = ''", "hostgw.conflist is '', expected an absolute path"),
        ("interval = 0", "hostgw.interval is 0, expected"),
        ("interval = '1'", "hostgw.interval is '1', expected"),
        ("interval = true", "hostgw.interval is True, expected"),
        ("up = nan", "hostgw.up is nan, expected"),
        ("up = inf", "hostgw.up is inf, expected"),
        ("up = -1", "hostgw.up is -1, expected"),
        ("limit = nan", "hostgw.limit is nan, expected"),
        ("hold = 100000", "hostgw.hold is 100000, expected"),
        ("longestHold = 100000", "hostgw.longestHold is 100000, expected"),
        ("spoofGuard = 'yes'", "hostgw.spoofGuard is 'yes', expected"),
        (
            "peers = [{ cidr = '10.42.1.0/24', address = 'fd00::1' }]",
            "hostgw.peers.0 cannot be: address is fd00::1, expected one of 10.42.1.0/24's family",
        ),
        ("peers = [{ cidr = '10.42.1.0/24' }]", "hostgw.peers.0.address"),
        (
            f"peers = [{_stated('10.1.0.0/24')}, {_stated('10.1.0.0/25')}]",
            "expected networks that do not overlap, unlike 10.1.0.0/24, 10.1.0.0/25",
        ),
    ],
)
def test_an_error_names_file_line_key_value_and_form(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, f"[hostgw]\n{text}\n")
    with pytest.raises(CniError) as caught:
        load(path)
    assert caught.value.code == Code.INVALID_CONFIG
    assert caught.value.msg.startswith(f"{path}:2: hostgw.")
    assert words in caught.value.msg


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("limit = 2.9", "limit is 2.9 and interval 1, expected a limit of at least three"),
        ("interval = 1.5", "limit is 4 and interval 1.5, expected a limit of at least three"),
        ("hold = 700", "longestHold is 600, expected at least hold, 700"),
        ("longestHold = 29", "longestHold is 29, expected at least hold, 30"),
    ],
)
def test_keys_that_do_not_go_together(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, f"grace = 9\n[hostgw]\n{text}\n")
    with pytest.raises(CniError) as caught:
        load(path)
    assert caught.value.msg.startswith(f"{path}:2: hostgw cannot be: {words}")


@pytest.mark.parametrize(
    "text", ["limit = 3", "interval = 0.25", "hold = 600", "longestHold = 30", "port = 65533"]
)
def test_what_is_just_right(tmp_path: Path, text: str) -> None:
    assert settings(tmp_path, f"[hostgw]\n{text}") != HostgwSettings()


def test_an_unknown_key_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(
        tmp_path,
        "[hostgw]\nlongest_hold = 5\nuplink = { nam = 'wlan0' }\n[[hostgw.peers]]\n"
        "cidr = '10.42.1.0/24'\naddress = '192.168.1.11'\nport = 1\n",
    )
    with caplog.at_level(logging.WARNING, "cni"):
        load(path)
    found = [record.getMessage() for record in caplog.records]
    assert f"{path}:2: hostgw.longest_hold is unknown and has no effect" in found
    assert f"{path}:3: hostgw.uplink.nam is unknown and has no effect" in found
    assert any("hostgw.peers" in words and "port is unknown" in words for words in found)
