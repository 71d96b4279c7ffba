"""SR-IOV facts, from a sysfs in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.kernel.sysfs import Sysfs, VirtualFunction

PF, VF, PLAIN = "0000:3b:00.0", "0000:3b:02.1", "0000:5e:00.0"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node with a PF `ens1`, one VF `ens1v0` of it, and a plain adapter."""
    devices = tmp_path / "devices/pci0000:3a"
    for address, netdev in ((PF, "ens1"), (VF, "ens1v0"), (PLAIN, "eno1")):
        net = devices / address / "net" / netdev
        net.mkdir(parents=True)
        (net / "mtu").write_text("9000\n", encoding="ascii")
        link(tmp_path / "bus/pci/devices" / address, devices / address)
        link(tmp_path / "class/net" / netdev, net)
        link(net / "device", devices / address)
    (devices / PF / "sriov_totalvfs").write_text("16\n", encoding="ascii")
    link(devices / VF / "physfn", devices / PF)
    link(devices / VF / "driver", tmp_path / "bus/pci/drivers/mlx5_core")
    (tmp_path / "bus/pci/drivers/mlx5_core").mkdir(parents=True)
    return tmp_path


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_a_virtual_function(root: Path) -> None:
    assert Sysfs(root).virtual_function(VF) == VirtualFunction(
        address=VF,
        pf_address=PF,
        pf_name="ens1",
        pf_mtu=9000,
        netdev="ens1v0",
        driver="mlx5_core",
    )


def test_a_virtual_function_that_is_away(root: Path) -> None:
    netdev = root / "devices/pci0000:3a" / VF / "net/ens1v0"
    for entry in netdev.iterdir():
        entry.unlink()
    netdev.rmdir()
    netdev.parent.rmdir()

    found = Sysfs(root).virtual_function(VF)
    assert found
    assert found.netdev == ""


@pytest.mark.parametrize("address", [PF, PLAIN, "0000:00:00.0"])
def test_what_is_no_virtual_function(root: Path, address: str) -> None:
    assert Sysfs(root).virtual_function(address) is None


def test_addresses_and_physical_functions(root: Path) -> None:
    sysfs = Sysfs(root)

    assert sysfs.device_exists(VF)
    assert not sysfs.device_exists("0000:00:00.0")
    assert sysfs.address_of("ens1v0") == VF
    assert sysfs.address_of("nobody") == ""
    assert sysfs.is_physical_function("ens1")
    assert not sysfs.is_physical_function("eno1")
