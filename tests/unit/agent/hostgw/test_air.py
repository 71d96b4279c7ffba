"""What is told of the radios below the uplinks."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.agent.hostgw.air import Air
from cni.host.locks import Locks
from cni.hostgw.kept import Notes
from cni.hostgw.node import Node
from cni.kernel.adapters import Radio
from cni.kernel.fake import FakeKernel, FakeSysfs

ASLEEP = Radio(power_save=True, signal=-61, bitrate=144.4, bssid="02:00:00:00:01:00")


@pytest.fixture
def kernel() -> FakeKernel:
    made = FakeKernel()
    made.add_veth("wlan0", "air")
    made.add_bridge("br0")
    made.set_master("wlan0", "br0")
    made.add_veth("eth0", "cable")
    return made


@pytest.fixture
def air(kernel: FakeKernel, tmp_path: Path) -> Air:
    node = Node(kernel, FakeSysfs(kernel), Locks(tmp_path), Notes(tmp_path / "notes"))
    return Air(node, lambda: {"br0", "eth0"})


def figures(air: Air) -> dict[str, dict[tuple[str, ...], float]]:
    return {
        family.name.removeprefix("hostgw_radio_"): {s.labels: s.value for s in family.samples}
        for family in air.figures()
    }


def test_a_radio_below_a_bridge(kernel: FakeKernel, air: Air) -> None:
    kernel.make_wireless("wlan0", ASLEEP)
    air.look()
    assert air.radios == {"wlan0": ASLEEP}
    assert figures(air) == {
        "signal_dbm": {("wlan0",): -61},
        "bits_per_second": {("wlan0",): 144.4e6},
        "power_save": {("wlan0",): 1},
    }


def test_without_a_radio_there_is_nothing_to_tell(air: Air) -> None:
    air.look()
    assert air.radios == {}
    assert figures(air) == {"signal_dbm": {}, "bits_per_second": {}, "power_save": {}}


def test_what_a_driver_does_not_tell_is_not_told(kernel: FakeKernel, air: Air) -> None:
    kernel.make_wireless("wlan0")
    air.look()
    assert air.radios == {"wlan0": Radio()}
    assert figures(air) == {"signal_dbm": {}, "bits_per_second": {}, "power_save": {}}


def test_news_is_logged_once(
    kernel: FakeKernel, air: Air, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    kernel.make_wireless("wlan0", ASLEEP)
    air.look()
    air.look()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "iw dev wlan0 set power_save off" in caplog.text
    caplog.clear()
    kernel.make_wireless("wlan0", Radio(power_save=False, bssid="02:00:00:00:02:00"))
    air.look()
    assert caplog.messages == ["wlan0 is with the access point 02:00:00:00:02:00 now"]


def test_a_radio_that_goes_is_forgotten(kernel: FakeKernel, air: Air) -> None:
    kernel.make_wireless("wlan0", ASLEEP)
    air.look()
    kernel.delete_link("wlan0")
    air.look()
    assert air.radios == {}
