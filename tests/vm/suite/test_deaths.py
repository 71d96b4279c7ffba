"""Whatever dies, and in whatever order: the VF comes home as it was, or is recorded until then."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.spec.node import Namespace, run, wait_until
from tests.spec.runtime import Slot
from tests.vm.suite.conftest import LendVFs
from tests.vm.suite.devices import PF, VF
from tests.vm.suite.machine import Machine, MachineRuntime, rail
from tests.vm.suite.test_settings import EVERYTHING

pytestmark = pytest.mark.long


@dataclass(frozen=True, slots=True)
class Attached:
    """A VF in a pod, with everything imposed on it that its driver can do."""

    vf: VF
    pod: Namespace
    runtime: MachineRuntime
    config: dict[str, Any]
    slot: Slot
    before: dict[str, Any]

    def delete(self) -> None:
        """Detach, which must succeed."""
        reply = self.runtime.delete(self.config, self.slot)
        assert reply.exit_code == 0, reply

    def left(self) -> list[str]:
        """Return what the programs still have of it."""
        records = [name for name in self.runtime.records() if self.vf.address in name]
        return records + [
            holder for holder in self.runtime.held() if holder.startswith(f"{self.slot.container} ")
        ]

    def check_is_home(self) -> None:
        """Require that the VF is on the host as it was, and that nothing is left."""
        assert self.vf.netdevs
        assert self.vf.state() == self.before
        assert self.left() == []


@pytest.fixture
def attached(
    rail_a: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> tuple[Attached, Attached]:
    """Two VFs in two pods; at once, for an ADD takes seconds here."""
    both = [_plan(vf, machine, runtime, number) for number, vf in enumerate(vfs(rail_a, 2))]
    added = runtime.at_once("ADD", [(each.config, each.slot) for each in both])
    assert [reply.exit_code for reply in added] == [0, 0], added
    return both[0], both[1]


def _plan(vf: VF, machine: Machine, runtime: MachineRuntime, number: int) -> Attached:
    pod = machine.pod()
    config = rail(vf, **{**EVERYTHING, "mac": f"02:00:00:00:60:0{number}"})
    return Attached(vf, pod, runtime, config, Slot(pod.path, f"c{number}"), vf.state())


def test_pods_that_are_gone_before_del(attached: tuple[Attached, Attached]) -> None:
    """The kernel brings the first VF home as net1, and the second under a name of its making."""
    for each in attached:
        each.pod.delete()
        wait_until(lambda vf=each.vf: bool(vf.netdevs), "the VF on the host")  # type: ignore[misc]
    assert attached[0].vf.netdev == "net1"
    assert attached[1].vf.netdev.startswith("dev")
    for each in attached:
        each.delete()
        each.check_is_home()


def test_a_namespace_that_a_process_is_in_or_only_holds(
    attached: tuple[Attached, Attached],
) -> None:
    lived_in, held = attached
    with _process_in(lived_in.pod), Path(held.pod.path).open("rb"):
        for each in attached:
            each.pod.delete()
        lived_in.delete()  # it is found by the process
        lived_in.check_is_home()
        held.delete()  # nobody can find it: the pod ends, and its VF and its address wait
        assert held.left()
        assert not held.vf.netdevs
    wait_until(lambda: bool(held.vf.netdevs), "the VF on the host")
    held.delete()
    held.check_is_home()


def test_handed_out_again_before_the_old_del(
    attached: tuple[Attached, Attached], machine: Machine
) -> None:
    """Of a pod that lives it is refused; of one that is gone, it comes without anything."""
    dead, living = attached
    dead.pod.delete()
    wait_until(lambda: bool(dead.vf.netdevs), "the VF on the host")
    new = [machine.pod(), machine.pod()]
    slots = [Slot(pod.path, f"new{number}") for number, pod in enumerate(new)]
    plain = [rail(each.vf) for each in attached]
    taken, refused = dead.runtime.at_once("ADD", list(zip(plain, slots, strict=True)))
    assert refused.error[0] == 11
    assert "is held by net1 of container c1" in refused.error[1]
    assert taken.exit_code == 0, taken
    imposed = dead.vf.pf.settings()[dead.vf.number]
    assert imposed == dead.before["settings"]
    dead.delete()  # comes late, and is no longer about this VF
    assert new[0].links() == ["lo", "net1"]
    assert dead.runtime.delete(plain[0], slots[0]).exit_code == 0
    dead.check_is_home()
    living.delete()
    living.check_is_home()


def test_after_a_reboot(attached: tuple[Attached, Attached], tmp_path: Path) -> None:
    """Another boot id, the VFs like new, the namespaces gone, and the records of before."""
    for each in attached:
        each.pod.delete()
        wait_until(lambda vf=each.vf: bool(vf.netdevs), "the VF on the host")  # type: ignore[misc]
        each.vf.reset()
    deleted, given_again = attached
    fresh = [each.vf.state() for each in attached]
    with _another_boot(tmp_path):
        deleted.delete()
        assert deleted.left() == []
        pod = Namespace("after")
        slot, config = Slot(pod.path, "new"), rail(given_again.vf)
        assert given_again.runtime.add(config, slot).exit_code == 0
        assert given_again.runtime.delete(config, slot).exit_code == 0
        pod.delete()
        assert given_again.left() == []
    assert [each.vf.state() for each in attached] == fresh


def test_vfs_that_are_unmade_and_a_pf_that_is_renamed(
    rail_b: PF, vfs: LendVFs, machine: Machine, runtime: MachineRuntime
) -> None:
    """`sriov_numvfs` is written under a pod; the PF has another name when the next one ends."""
    (vf,) = vfs(rail_b, 1)
    first = _plan(vf, machine, runtime, 0)
    assert runtime.add(first.config, first.slot).exit_code == 0
    (rail_b.path / "sriov_numvfs").write_text("0")
    assert first.pod.links() == ["lo"]
    first.delete()
    assert first.left() == []

    (vf,) = rail_b.make_vfs(1)
    rail_b.prepare()
    second = _plan(vf, machine, runtime, 1)
    assert runtime.add(second.config, second.slot).exit_code == 0
    name = rail_b.netdev
    run("ip", "link", "set", name, "name", "fabric-b")
    try:
        second.delete()
        second.check_is_home()
    finally:
        run("ip", "link", "set", "fabric-b", "name", name)


@contextmanager
def _process_in(pod: Namespace) -> Iterator[None]:
    process = subprocess.Popen(["ip", "netns", "exec", pod.name, "sleep", "60"])
    try:
        entered = Path(f"/proc/{process.pid}/ns/net")
        wait_until(lambda: entered.samefile(pod.path), "a process in the pod")
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _another_boot(folder: Path) -> Iterator[None]:
    boot_id = "/proc/sys/kernel/random/boot_id"
    other = folder / "boot_id"
    other.write_text("11111111-2222-3333-4444-555555555555\n")
    run("mount", "--bind", os.fspath(other), boot_id)
    try:
        yield
    finally:
        run("umount", boot_id)
