"""SR-IOV facts, from a sysfs in a folder."""

from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from cni.kernel.functions import PciDevice, PhysicalFunction, VirtualFunction
from cni.kernel.interface import Sysfs
from cni.kernel.sysfs import LinuxSysfs
from cni.kernel.types import ERROR_COUNTERS

PF, VF, OTHER_VF, PLAIN = "0000:3b:00.0", "0000:3b:02.1", "0000:3b:02.0", "0000:5e:00.0"

FOUND = VirtualFunction(
    address=VF,
    index=1,
    pf_address=PF,
    pf_netdev="ens1",
    netdev="ens1v1",
    driver="mlx5_core",
    numa_node=1,
    rdma_device="mlx5_3",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A node with a PF `ens1`, two VFs of it, and a plain adapter."""
    for address, netdev in ((PF, "ens1"), (OTHER_VF, "ens1v0"), (VF, "ens1v1"), (PLAIN, "eno1")):
        device = tmp_path / "devices/pci0000:3a" / address
        link(tmp_path / "bus/pci/devices" / address, device)
        write(device / "numa_node", "1" if address in {PF, VF} else "-1")
        add_netdev(tmp_path, address, netdev)
        add_driver(tmp_path, address, "mlx5_core")
    write(device_of(tmp_path, PF) / "sriov_totalvfs", "16")
    write(device_of(tmp_path, PLAIN) / "sriov_totalvfs", "0")
    for number, address in enumerate((OTHER_VF, VF)):
        link(device_of(tmp_path, address) / "physfn", Path("..") / PF)
        link(device_of(tmp_path, PF) / f"virtfn{number}", Path("..") / address)
    (device_of(tmp_path, VF) / "infiniband/mlx5_3").mkdir(parents=True)
    return tmp_path


def device_of(root: Path, address: str) -> Path:
    return root / "devices/pci0000:3a" / address


def add_netdev(root: Path, address: str, netdev: str, port: str = "") -> None:
    net = device_of(root, address) / "net" / netdev
    net.mkdir(parents=True)
    link(root / "class/net" / netdev, net)
    link(net / "device", device_of(root, address))
    write(net / "phys_port_name", port)


def add_driver(root: Path, address: str, driver: str) -> None:
    (root / "bus/pci/drivers" / driver).mkdir(parents=True, exist_ok=True)
    link(device_of(root, address) / "driver", root / "bus/pci/drivers" / driver)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n", encoding="ascii")


def link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def test_a_virtual_function(root: Path) -> None:
    sysfs: Sysfs = LinuxSysfs(root)

    assert sysfs.virtual_function(VF) == FOUND


def test_the_functions_of_a_node(root: Path) -> None:
    sysfs = LinuxSysfs(root)

    assert sysfs.physical_functions() == [PhysicalFunction(PF, "ens1", "mlx5_core", 1, "", 16)]
    assert [vf.address for vf in sysfs.virtual_functions(PF)] == [OTHER_VF, VF]
    assert sysfs.virtual_functions(PF)[1] == FOUND
    assert sysfs.virtual_functions(PF)[0].numa_node is None
    assert list(sysfs.virtual_functions(PLAIN)) == []


def test_vfs_are_in_the_order_of_their_numbers(root: Path) -> None:
    for number in range(2, 12):
        link(device_of(root, PF) / f"virtfn{number}", Path(f"../0000:3b:03.{number % 8}"))

    numbers = [vf.index for vf in LinuxSysfs(root).virtual_functions(PF)]
    assert numbers == list(range(12))


def test_a_virtual_function_that_is_away(root: Path) -> None:
    shutil.rmtree(device_of(root, VF) / "net")
    shutil.rmtree(device_of(root, VF) / "infiniband")

    away = replace(FOUND, netdev="", rdma_device="")
    assert LinuxSysfs(root).virtual_function(VF) == away


def test_a_virtual_function_that_a_program_drives(root: Path) -> None:
    (device_of(root, VF) / "driver").unlink()
    add_driver(root, VF, "vfio-pci")

    found = LinuxSysfs(root).virtual_function(VF)
    assert found
    assert (found.driver, found.is_userspace) == ("vfio-pci", True)


def test_a_virtual_function_without_anything_around_it(root: Path) -> None:
    for folder in ("driver", "numa_node"):
        (device_of(root, VF) / folder).unlink()
    shutil.rmtree(device_of(root, PF) / "net")

    bare = replace(FOUND, driver="", numa_node=None, pf_netdev="")
    assert LinuxSysfs(root).virtual_function(VF) == bare


@pytest.mark.parametrize("address", [PF, PLAIN, "0000:00:00.0"])
def test_what_is_no_virtual_function(root: Path, address: str) -> None:
    assert LinuxSysfs(root).virtual_function(address) is None


def test_a_virtual_function_that_is_just_going(root: Path) -> None:
    (device_of(root, PF) / "virtfn1").unlink()

    assert LinuxSysfs(root).virtual_function(VF) is None


def test_what_stays_of_a_device_that_went_is_no_error(root: Path) -> None:
    (root / "bus/pci/devices" / VF).unlink()

    (_, ghost) = LinuxSysfs(root).virtual_functions(PF)
    assert ghost == VirtualFunction(VF, 1, PF, "ens1", "", "", None, "")


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_that_cannot_be_read_any_more(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def read_bytes(file: Path) -> bytes:
        raise OSError(number, str(file))

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    sysfs = LinuxSysfs(root)

    assert sysfs.virtual_function(VF) == replace(FOUND, numa_node=None)
    assert sysfs.physical_functions() == []
    assert not sysfs.is_physical_function("ens1")


def test_a_refusal_is_no_absence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_bytes(file: Path) -> bytes:
        raise PermissionError(errno.EACCES, str(file))

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    with pytest.raises(PermissionError):
        LinuxSysfs(root).physical_functions()


@pytest.mark.parametrize("port", ["p0", ""])
def test_in_switchdev_mode_the_pf_is_not_a_representor(root: Path, port: str) -> None:
    (device_of(root, PF) / "net/ens1/phys_port_name").write_text(port, encoding="ascii")
    add_netdev(root, PF, "eth0", "pf0vf0")
    add_netdev(root, PF, "eth1", "pf0vf1")
    add_netdev(root, PF, "eth2", "pf0sf88")

    assert LinuxSysfs(root).physical_functions()[0].netdev == "ens1"
    assert LinuxSysfs(root).virtual_functions(PF)[0].pf_netdev == "ens1"


def test_two_ports_of_one_function_are_told_apart_by_name(root: Path) -> None:
    add_netdev(root, PF, "ens1d1", "p1")
    add_netdev(root, PF, "ens0", "pf0vf0")

    assert LinuxSysfs(root).physical_functions()[0].netdev == "ens1"


def test_soft_roce_is_found_by_its_netdev(root: Path) -> None:
    for name, netdev in (("rxe0", "eno1"), ("rxe1", "ens1v1"), ("rxe2", "ens1v0")):
        write(root / "class/infiniband" / name / "parent", netdev)
    (root / "class/infiniband/mlx5_3").mkdir()
    sysfs = LinuxSysfs(root)

    assert [vf.rdma_device for vf in sysfs.virtual_functions(PF)] == ["rxe2", "mlx5_3"]


def test_soft_roce_of_a_function_that_is_away_is_nobodys(root: Path) -> None:
    shutil.rmtree(device_of(root, OTHER_VF) / "net")
    write(root / "class/infiniband/rxe2/parent", "")

    assert LinuxSysfs(root).virtual_functions(PF)[0].rdma_device == ""


def test_addresses_and_physical_functions(root: Path) -> None:
    sysfs = LinuxSysfs(root)

    assert sysfs.device_exists(VF)
    assert not sysfs.device_exists("0000:00:00.0")
    assert sysfs.address_of("ens1v1") == VF
    assert sysfs.address_of("nobody") == ""
    assert sysfs.is_physical_function("ens1")
    assert not sysfs.is_physical_function("eno1")  # it could, but is configured for none


@pytest.mark.parametrize(
    ("text", "speed"), [("100000", 100_000), ("-1", None), ("0", None), ("", None)]
)
def test_the_speed_of_a_port(root: Path, text: str, speed: int | None) -> None:
    write(device_of(root, PF) / "net/ens1/speed", text)

    assert LinuxSysfs(root).link_speed("ens1") == speed
    assert LinuxSysfs(root).link_speed("eno1") is None


def test_the_errors_of_a_port(root: Path) -> None:
    statistics = device_of(root, PF) / "net/ens1/statistics"
    for number, name in enumerate((*ERROR_COUNTERS, "rx_packets")):
        write(statistics / name, str(number))
    (statistics / "tx_dropped").unlink()  # a kernel that knows no such thing

    found = LinuxSysfs(root).error_counters("ens1")
    assert found == {
        "rx_errors": 0, "tx_errors": 1, "rx_dropped": 2, "rx_missed_errors": 4, "rx_crc_errors": 5,
    }  # fmt: skip
    assert LinuxSysfs(root).error_counters("nobody") == {}


def test_the_ports_of_an_rdma_device(root: Path) -> None:
    ports = root / "class/infiniband/mlx5_3/ports"
    for number, state in ((10, "1: DOWN"), (2, "2: INIT"), (1, "4: ACTIVE")):
        write(ports / str(number) / "state", state)
    (ports / "3").mkdir()  # it is just going
    sysfs = LinuxSysfs(root)

    found = sysfs.rdma_ports("mlx5_3")
    assert [(p.number, p.state) for p in found] == [(1, "ACTIVE"), (2, "INIT"), (10, "DOWN")]
    assert [port.is_active for port in found] == [True, False, False]
    assert {port.device for port in found} == {"mlx5_3"}
    assert sysfs.rdma_ports("nobody") == []


def test_a_device_on_another_bus_has_no_pci_address(root: Path) -> None:
    link(root / "class/net/usb0/device", Path("../../../1-1:1.0"))

    assert LinuxSysfs(root).address_of("usb0") == ""


def test_what_is_on_the_bus(root: Path) -> None:
    for name, text in (("vendor", "0x15b3"), ("device", "0x101e"), ("class", "0x020000")):
        write(device_of(root, VF) / name, text)
    write(root / "kernel/iommu_groups/42/type", "identity")
    link(device_of(root, VF) / "iommu_group", root / "kernel/iommu_groups/42")

    found = {device.address: device for device in LinuxSysfs(root).pci_devices()}

    assert list(found) == [PF, OTHER_VF, VF, PLAIN]
    assert found[VF] == PciDevice(VF, "15b3", "101e", "0200", 1, "42", "identity")
    assert found[PLAIN] == PciDevice(PLAIN, "", "", "", numa_node=None)
