"""What is built is decided by the recipe, and the newest kernel by apt."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.vm import recipe
from tests.vm.apt import UnavailableError, newest_kernel
from tests.vm.kernel import dependencies, in_order


def test_another_list_of_packages_is_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = recipe.key()
    copy = shutil.copytree(recipe.INIT.parents[1], tmp_path / "vm")
    monkeypatch.setattr(recipe, "_FOLDER", copy)
    assert recipe.key() == before
    file = copy / "recipe.py"
    file.write_text(file.read_text().replace("strace", "gdb"))
    assert recipe.key() != before


def test_the_newest_kernel_is_what_apt_says() -> None:
    told = "linux-image-amd64\n  Depends: linux-image-6.12.9+deb12-amd64\n  Conflicts: <none>\n"
    assert newest_kernel(told) == "linux-image-6.12.9+deb12-amd64"


def test_without_a_kernel_there_is_no_laboratory() -> None:
    with pytest.raises(UnavailableError, match="depends on no kernel"):
        newest_kernel("linux-image-amd64\n  Depends: <linux-image-generic>\n")


def test_modules_come_after_those_that_they_need_and_once() -> None:
    needs = dependencies(
        ["kernel/lib/crc-t10dif.ko"],
        [
            "kernel/net/9p/9pnet.ko.xz: kernel/fs/netfs/netfs.ko.xz",
            "kernel/fs/9p/9p.ko.xz: kernel/net/9p/9pnet.ko.xz kernel/fs/netfs/netfs.ko.xz",
            "kernel/fs/netfs/netfs.ko.xz:",
            "kernel/drivers/vfio/pci/vfio-pci.ko.xz:",
        ],
    )
    assert in_order(["9p", "9pnet", "vfio_pci", "vfio-pci", "crc-t10dif"], needs) == [
        "kernel/fs/netfs/netfs.ko.xz",
        "kernel/net/9p/9pnet.ko.xz",
        "kernel/fs/9p/9p.ko.xz",
        "kernel/drivers/vfio/pci/vfio-pci.ko.xz",
    ]
