"""A radio is found through whatever the uplink is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.hostgw.uplink import is_wireless
from cni.kernel.sysfs import LinuxSysfs


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """`/sys/class/net` with a wired device, and what is made of it and of a wlan0."""
    net = tmp_path / "class/net"
    for path in ("eth0", "wlan0", "br0/lower_eth0", "br0/lower_bond0.7", "bond0.7/lower_bond0",
                 "bond0/lower_eth0", "bond0/lower_wlan0", "br1/lower_eth0"):  # fmt: skip
        (net / path).mkdir(parents=True)
    (net / "eth0/uevent").write_text("INTERFACE=eth0\nIFINDEX=2\n")
    return net


@pytest.mark.parametrize("sign", ["phy80211", "wireless", "uevent"])
def test_signs_of_a_radio(net: Path, sign: str) -> None:
    sysfs = LinuxSysfs(net.parents[1])
    assert not is_wireless("br0", sysfs)
    if sign == "uevent":
        (net / "wlan0/uevent").write_text("DEVTYPE=wlan\nINTERFACE=wlan0\n")
    else:
        (net / "wlan0" / sign).mkdir()
    names = ["wlan0", "bond0", "bond0.7", "br0", "eth0", "br1", "nothing0"]
    assert [is_wireless(name, sysfs) for name in names] == [True] * 4 + [False] * 3


def test_devices_that_go_in_circles(net: Path) -> None:
    (net / "eth0/lower_br0").mkdir()
    assert not is_wireless("br0", LinuxSysfs(net.parents[1]))
