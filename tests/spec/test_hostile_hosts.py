"""Nodes that lack something: a writable /proc/sys, IPv6, space or a writable state folder."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.spec.node import Namespace, Node
from tests.spec.runtime import NOTHING, Runtime, Slot, rail

pytestmark = pytest.mark.netns

BOTH_FAMILIES = {"type": "rail-ipam", "subnet": ["10.60.0.0/16", "fd00:60::/64"]}
WITH_READ_ONLY_SYSCTLS = """\
set -e
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
! touch /proc/sys/net/ipv4/ip_forward 2>/dev/null
exec $0
"""


@pytest.fixture
def pod(node: Node) -> Namespace:
    return node.pod()


def test_a_read_only_proc_sys_is_no_obstacle(node: Node, runtime: Runtime, pod: Namespace) -> None:
    runtime = replace(runtime, wrapper=("sh", "-c", WITH_READ_ONLY_SYSCTLS))
    pod.set_sysctl("ipv6/conf/default/disable_ipv6", "1")
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    config = rail(device, ipam=BOTH_FAMILIES, sysctl={"net.ipv4.conf.IFNAME.log_martians": 1})
    added = runtime.add(config, slot)
    assert pod.addresses("net1") == added.addresses
    assert pod.sysctl("ipv6/conf/net1/accept_ra") == "0"
    assert pod.sysctl("ipv4/conf/net1/arp_ignore") == "1"
    assert pod.sysctl("ipv4/conf/net1/log_martians") == "1"
    assert runtime.check(config, slot, added).exit_code == 0
    assert runtime.delete(config, slot).exit_code == 0
    assert node.link(device) == before
    assert runtime.leftovers(pod) == NOTHING


@pytest.mark.parametrize("subnet", ["10.60.0.0/16", ["10.60.0.0/16", "fd00:60::/64"]])
def test_a_pod_without_ipv6_gets_the_addresses_of_its_rail(
    node: Node, runtime: Runtime, pod: Namespace, subnet: object
) -> None:
    for interface in ("all", "default"):
        pod.set_sysctl(f"ipv6/conf/{interface}/disable_ipv6", "1")
    config, slot = rail(node.device(), ipam={"type": "rail-ipam", "subnet": subnet}), Slot(pod.path)
    added = runtime.add(config, slot)
    assert pod.addresses("net1") == added.addresses
    assert len(added.addresses) == (1 if isinstance(subnet, str) else 2)
    assert runtime.check(config, slot, added).exit_code == 0
    assert runtime.delete(config, slot).exit_code == 0
    assert runtime.leftovers(pod) == NOTHING


def test_a_state_folder_that_cannot_be_written_is_named_and_nothing_is_begun(
    node: Node, runtime: Runtime, pod: Namespace, disk: Disk
) -> None:
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    runtime = replace(runtime, state=disk.folder)
    disk.remount("ro")
    code, message = runtime.add(rail(device), slot).error
    assert (code, os.strerror(errno.EROFS) in message, str(disk.folder) in message) == (
        5,
        True,
        True,
    )
    assert node.link(device) == before
    assert pod.links() == ["lo"]
    disk.remount("rw")
    assert runtime.add(rail(device), slot).exit_code == 0


def test_a_state_folder_that_is_a_file_is_named_and_nothing_is_begun(
    node: Node, runtime: Runtime, pod: Namespace, tmp_path: Path
) -> None:
    device = node.device()
    before = node.link(device)
    (state := tmp_path / "file").touch()
    code, message = replace(runtime, state=state).add(rail(device), Slot(pod.path)).error
    assert (code, str(state) in message) == (5, True)
    assert node.link(device) == before
    assert pod.links() == ["lo"]


def test_wherever_an_add_meets_the_end_of_the_disk_it_leaves_nothing(
    node: Node, runtime: Runtime, pod: Namespace, disk: Disk
) -> None:
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    failures: list[int] = []
    for pages in (0, 1, 4, 16, 32, 40, 48, 64, 128):
        folder = disk.folder / str(pages)
        narrow = replace(runtime, state=folder)
        with disk.filled_but(pages):
            reply = narrow.add(rail(device), slot)
        if reply.exit_code:
            code, message = reply.error
            assert (code, str(folder) in message) == (5, True), message
            assert "make room" in reply.details or os.strerror(errno.ENOSPC) in message
            assert node.link(device) == before, f"{pages} pages were left: {reply}"
            assert pod.links() == ["lo"], f"{pages} pages were left: {reply}"
            failures.append(pages)
        assert narrow.delete(rail(device), slot).exit_code == 0
        assert narrow.leftovers(pod) == NOTHING, f"{pages} pages were left: {reply}"
    assert len(failures) >= 3


def test_a_del_on_a_full_disk_brings_the_device_home_and_the_next_one_frees_the_address(
    node: Node, runtime: Runtime, pod: Namespace, disk: Disk
) -> None:
    device, slot = node.device(), Slot(pod.path)
    before = node.link(device)
    runtime = replace(runtime, state=disk.folder)
    runtime.add(rail(device), slot)
    with disk.filled_but(0):
        reply = runtime.delete(rail(device), slot)
        assert (reply.error[0], reply.details) == (5, "make room on its file system")
        assert node.link(device) == before
        assert len(runtime.records()) == 1
    assert runtime.held() == ["c1 net1"]
    assert runtime.delete(rail(device), slot).exit_code == 0
    assert runtime.leftovers(pod) == NOTHING


@dataclass(frozen=True, slots=True)
class Disk:
    """A small file system of our own."""

    folder: Path

    PAGES = 512
    PAGE = 4096

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.folder], check=True)

    @contextmanager
    def filled_but(self, pages: int) -> Iterator[None]:
        """Leave no more room than some pages for a while."""
        ballast = self.folder / "ballast"
        found = os.statvfs(self.folder)
        with ballast.open("wb") as stream:
            stream.write(bytes(max(0, found.f_bfree - pages) * found.f_bsize))
        try:
            yield
        finally:
            ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    made.folder.mkdir()
    options = f"size={Disk.PAGES * Disk.PAGE},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "railspec", made.folder], check=True)
    try:
        yield made
    finally:
        subprocess.run(["umount", "--lazy", made.folder], check=True)
