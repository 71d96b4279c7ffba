"""Which rails, which devices, which variables."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install.job.annotations import status_in
from install.job.devices import Places, with_devices
from install.job.errors import JobError, NotYetError
from install.job.forms import VariableForm
from install.job.nccl import variables
from install.job.status import rails, read
from install.job.variables import written
from install.job.waiting import until
from tests.unit.job.jobs import STATUS, interface, status

NOWHERE = Places(Path("/nowhere"), Path("/nowhere"))


def test_the_variables_of_a_training_pod() -> None:
    found = with_devices(rails(read(status()), ["roce-*"]), NOWHERE)
    assert variables(found) == {
        "NCCL_SOCKET_IFNAME": "=net1,net2",
        "NCCL_IB_HCA": "=mlx5_0:1,mlx5_1:1",
        "UCX_NET_DEVICES": "mlx5_0:1,mlx5_1:1",
        "NCCL_CROSS_NIC": "1",
    }


def test_one_rail_crosses_nothing() -> None:
    (rail,) = with_devices(rails(read(status()), ["net2"]), NOWHERE)
    assert variables([rail])["NCCL_CROSS_NIC"] == "0"
    assert variables([rail], cross_nic=2)["NCCL_CROSS_NIC"] == "2"


def test_without_rdma() -> None:
    found = rails(read(status(rdma=False)), ["ai-train/roce-?"])
    with pytest.raises(JobError, match=r"net1 \(ai-train/roce-a\) has no RDMA device at 0000:21"):
        variables(found)
    assert variables(found, rdma=False) == {
        "NCCL_SOCKET_IFNAME": "=net1,net2",
        "NCCL_IB_DISABLE": "1",
        "UCX_NET_DEVICES": "net1,net2",
        "NCCL_CROSS_NIC": "1",
    }


def test_a_rail_whose_device_nobody_told() -> None:
    found = read(json.dumps([interface("a", "net1")]))
    with pytest.raises(JobError, match="at a PCI address that nobody told"):
        variables(found)


def test_which_rails_are_meant() -> None:
    attached = read(status())
    assert [one.ifname for one in rails(attached, [])] == ["net1", "net2", "net3"]
    assert [one.ifname for one in rails(attached, ["net3", "roce-a"])] == ["net1", "net3"]
    with pytest.raises(NotYetError, match=r"no rail roce-c, it has net1 \(ai-train/roce-a\), net2"):
        rails(attached, ["roce-a", "roce-c"])
    with pytest.raises(NotYetError, match="has no rail"):
        rails(attached[:1], [])
    with pytest.raises(NotYetError, match=r"no rail x, it has none$"):
        rails(attached[:1], ["x"])
    assert read('[{"interface": "net1", "ips": null}]')[0].addresses == ()
    with pytest.raises(NotYetError, match="no rail eth0"):
        rails(attached, ["eth0"])


def test_sysfs_knows_best_and_files_know_last(tmp_path: Path) -> None:
    sysfs, info = tmp_path / "sys", tmp_path / "devinfo"
    found = read(json.dumps([
        interface("a", "net1", pci="0000:21:10.0", rdma="old_0"),
        interface("b", "net2", pci="0000:41:10.0", rdma="told_0"),
        interface("c", "net3", pci="0000:61:10.0"),
        interface("d", "net4"),
        interface("e", "net5"),
    ]))  # fmt: skip
    devices = sysfs / "bus/pci/devices"
    (devices / "0000:21:10.0/infiniband/mlx5_7").mkdir(parents=True)
    (devices / "0000:81:10.0/infiniband/mlx5_8").mkdir(parents=True)
    (sysfs / "class/net/net4").mkdir(parents=True)
    (sysfs / "class/net/net4/device").symlink_to(devices / "0000:81:10.0")
    (info / "dp").mkdir(parents=True)
    (info / "cni").mkdir()
    (info / "dp/bad.json").write_text("{", "utf-8")
    (info / "dp/list.json").write_text("[]", "utf-8")
    (info / "dp/other.json").write_text('{"pci": {"rdma-device": "nobodys_0"}}', "utf-8")
    (info / "dp/rdma-a-device.json").write_text(
        json.dumps(
            {"type": "pci", "pci": {"pci-address": "0000:61:10.0", "rdma-device": "file_0"}}
        ),
        "utf-8",
    )
    names = [rail.rdma_device for rail in with_devices(found, Places(sysfs, info))]
    assert names == ["mlx5_7", "told_0", "file_0", "mlx5_8", ""]


def test_a_device_that_is_called_like_a_command() -> None:
    found = read(json.dumps([interface("a", "net1", pci="0000:21:10.0", rdma="$(reboot)")]))
    with pytest.raises(JobError, match="no name"):
        with_devices(found, NOWHERE)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "[5]",
        '[{"interface": "a b"}]',
        '[{"interface": 5}]',
        '[{"interface": "net1", "ips": 5}]',
        '[{"interface": "net1", "ips": "10.60.0.1"}]',
        '[{"interface": "net1", "ips": ["10.60"]}]',
    ],
)
def test_an_annotation_that_is_malformed(text: str) -> None:
    with pytest.raises(JobError, match="network-status"):
        read(text)


@given(st.dictionaries(st.sampled_from(["a", "b", STATUS]), st.text(min_size=1), min_size=1))
def test_annotations_as_the_downward_api_writes_them(values: dict[str, str]) -> None:
    # Go's %q and JSON quote these alike, but for what JSON writes as two surrogates.
    lines = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    text = "\n".join(lines)
    if STATUS in values:
        assert status_in(text) == values[STATUS]
    else:
        with pytest.raises(NotYetError):
            status_in(text)


def test_annotations_by_themselves_and_quoted_by_go() -> None:
    assert status_in(f"\n{status()}\n") == status()
    assert status_in(f'{STATUS}="\\x07\\a\\u00e9\\""') == '\a\a\u00e9"'
    assert status_in('k8s.v1.cni.cncf.io/networks-status="[1]"') == "[1]"
    with pytest.raises(NotYetError):
        status_in("")
    for text in ("a", "a=b", "a=5", 'a="b'):
        with pytest.raises(JobError, match="no annotation"):
            status_in(text)


TEXTS = st.text(st.characters(min_codepoint=1, codec="utf-8"), max_size=20)


@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_a_shell_reads_what_was_meant(values: list[str]) -> None:
    names = [f"V{number}" for number in range(len(values))]
    text = written(dict(zip(names, values, strict=True)), VariableForm.SHELL)
    script = text + "".join(f"printf '%s\\0' \"${name}\"\n" for name in names)
    shown = subprocess.run(["/bin/sh"], input=script.encode(), capture_output=True, check=True)
    assert shown.stdout.decode().split("\0")[:-1] == values


def test_an_env_file() -> None:
    assert written({"B": "x y", "A": "=net1"}, VariableForm.ENV) == "A==net1\nB=x y\n"
    with pytest.raises(ValueError, match="spans lines"):
        written({"A": "x\nB=y"}, VariableForm.ENV)


class Clock:
    """Time that passes in sleep alone."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_waiting_ends() -> None:
    clock, looks = Clock(), []

    def look() -> str:
        looks.append(clock.time)
        if clock.time < 3:
            raise NotYetError("not yet")
        return "there"

    assert until(look, 10, interval=2, now=clock.now, sleep=clock.sleep) == "there"
    assert looks == [0, 2, 4]
    clock.time = 0
    with pytest.raises(JobError, match=r"not yet \(waited 2.5 s\)"):
        until(look, 2.5, interval=2, now=clock.now, sleep=clock.sleep)
    assert looks[3:] == [0, 2, 2.5]
    clock.time = 0
    with pytest.raises(JobError, match=r"^not yet$"):
        until(look, 0, now=clock.now, sleep=clock.sleep)
