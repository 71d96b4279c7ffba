"""What drivers say of themselves, out of the bytes of ethtool's structures."""

from __future__ import annotations

import struct

import pytest

from cni.kernel import ethtool
from cni.kernel.adapters import Driver, Pause


def told(firmware: bytes) -> bytes:
    texts = (b"mlx5_core", b"6.1.0-42-amd64", firmware, b"0000:3b:00.0", b"")
    fields = (text.ljust(32, b"\0") for text in texts)
    return struct.pack("=I", 3) + b"".join(fields) + bytes(12) + struct.pack("=5I", 0, 0, 0, 0, 0)


def test_a_driver_with_its_firmware() -> None:
    found = ethtool.read_driver(told(b"28.39.1002 (MT_0000000838)"))
    assert found == Driver("mlx5_core", "6.1.0-42-amd64", "28.39.1002 (MT_0000000838)")


@pytest.mark.parametrize("firmware", [b"", b"N/A"])
def test_a_driver_that_tells_of_none(firmware: bytes) -> None:
    assert ethtool.read_driver(told(firmware)).firmware == ""


def test_pause_frames() -> None:
    assert ethtool.read_pause(struct.pack("=IIII", 0x12, 0, 1, 0)) == Pause(
        agreed=False, receives=True, sends=False
    )
