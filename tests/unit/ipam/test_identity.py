"""What tells machines apart, on machines made of files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni.protocol.errors import CniError, Code
from ipam.identity import hardware_identity, is_unique

UUID = "4C4C4544-0042-3510-8052-B3C04F4B4E32"


class Machine:
    """A sysfs that holds what `hardware_identity` looks at."""

    def __init__(self, sys: Path) -> None:
        self.sys = sys

    def dmi(self, uuid: str) -> None:
        self.write("class/dmi/id/product_uuid", uuid)

    def netdev(self, name: str, mac: str, *, vfs: int | None = 8, **attributes: str) -> None:
        folder = f"class/net/{name}"
        self.write(f"{folder}/address", mac)
        if vfs is not None:
            self.write(f"{folder}/device/sriov_totalvfs", str(vfs))
        for key, value in ({"addr_assign_type": "0"} | attributes).items():
            self.write(f"{folder}/{key}", value)

    def write(self, file: str, text: str) -> None:
        path = self.sys / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n", encoding="ascii")

    def identity(self, node_id: str | None = None) -> str:
        return hardware_identity(self.sys, node_id)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_board_tells(machine: Machine) -> None:
    machine.dmi(UUID)
    machine.netdev("ens1", "b8:ce:f6:00:00:01")
    assert machine.identity("SN-1") == f"dmi:{UUID.lower()}+SN-1"


@pytest.mark.parametrize(
    "uuid",
    [
        "00000000-0000-0000-0000-000000000000",
        "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "FEFEFEFE-FEFE-FEFE-FEFE-FEFEFEFEFEFE",
        "56F49712-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
        "76006B9C-C49C-0000-0000-000000000000",
        "03000200-0400-0500-0006-000700080009",
        "12345678-1234-5678-90AB-CDDEEFAABBCC",
        "Not Settable",
        "Not Present",
        "",
    ],
)
def test_what_boards_share_tells_nothing(machine: Machine, uuid: str) -> None:
    machine.dmi(uuid)
    assert machine.identity("SN-1") == "id:SN-1"


@pytest.mark.parametrize("uuid", [UUID.lower(), "00000000-0000-0000-0000-ac1f6b123456"])
def test_what_only_looks_poor_is_one_boards_own(uuid: str) -> None:
    assert is_unique(uuid)


def test_ports_tell_where_the_board_does_not(machine: Machine) -> None:
    machine.netdev("ens2", "b8:ce:f6:00:00:02", phys_port_name="p1")
    machine.netdev("ens1", "b8:ce:f6:00:00:01", phys_port_name="p0")
    assert machine.identity("SN-1") == "mac:b8:ce:f6:00:00:01,b8:ce:f6:00:00:02+SN-1"


def test_only_what_the_ports_were_made_with_counts(machine: Machine) -> None:
    machine.netdev("vf", "b8:ce:f6:00:00:03", vfs=None)
    machine.netdev("plain", "b8:ce:f6:00:00:04", vfs=0)
    machine.netdev("set", "b8:ce:f6:00:00:05", addr_assign_type="3")
    machine.netdev("local", "02:ce:f6:00:00:06")
    machine.netdev("representor", "b8:ce:f6:00:00:07", phys_port_name="pf0vf3")
    machine.netdev("odd", "nonsense")
    machine.netdev("zero", "00:00:00:00:00:00")
    assert machine.identity("SN-1") == "id:SN-1"


def test_a_bond_hides_no_port(machine: Machine) -> None:
    machine.netdev("ens1", "b8:ce:f6:00:00:01")
    machine.netdev("ens2", "b8:ce:f6:00:00:02")
    alone = machine.identity()
    for name in ("ens1", "ens2"):
        own = (machine.sys / f"class/net/{name}/address").read_text(encoding="ascii").strip()
        machine.write(f"class/net/{name}/bonding_slave/perm_hwaddr", own)
        machine.netdev(name, "b8:ce:f6:00:00:01", addr_assign_type="3")
    assert machine.identity() == alone


def test_an_infiniband_port_is_known_by_its_guid(machine: Machine) -> None:
    guid = "b8:ce:f6:03:00:00:00:09"
    machine.netdev("ibs1", f"00:00:10:49:fe:80:00:00:00:00:00:00:{guid}")
    assert machine.identity() == f"mac:{guid}"


def test_nothing_tells(machine: Machine) -> None:
    machine.dmi("Not Settable")
    with pytest.raises(CniError, match="nodeId is missing: the DMI product UUID is 'not set") as e:
        machine.identity()
    assert e.value.code == Code.INVALID_CONFIG
    assert "set nodeId in the node file" in e.value.details
