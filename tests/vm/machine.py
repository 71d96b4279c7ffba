"""The virtual machine: two PFs with SR-IOV, each on a fabric and a NUMA node of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.vm.unpacked import LIBRARIES, Root

_MEMORY_MIB = 1024
"""Of each NUMA node."""
_KERNEL_OPTIONS = (
    "console=ttyS1 quiet panic=-1 net.ifnames=0 audit=0 apparmor=0 numa_balancing=disable"
    # On Debian's kernel vfio-pci cannot do without an IOMMU; it need not slow the other drivers.
    " intel_iommu=on iommu=pt"
    " mitigations=off nokaslr no_timer_check tsc=reliable random.trust_cpu=on"
)

_PROCESSOR = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt"
"""What Debian's programs ask for and no more: wide vectors are slow to emulate, by a third."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What one run is made of.

    Args:
        built: the folder that `build` has filled.
        results: shared with the guests, which write to it.
        checkout: an open image of the checkout; it may have no name any more.
        number: tells it from others that run at the same time.
    """

    built: Path
    results: Path
    checkout: int
    number: int = 0

    @property
    def name(self) -> str:
        """What the guest is called."""
        return f"guest{self.number}"

    @property
    def folder(self) -> Path:
        """Where this guest's results are, among those of all."""
        return self.results / self.name

    @property
    def logs(self) -> list[Path]:
        """Where the guest's kernel and QEMU say what is wrong."""
        return [self.folder / "console.log", self.folder / "qemu.log"]

    @contextmanager
    def running(self, *, interactive: bool = False) -> Iterator[subprocess.Popen[bytes]]:
        """Run it; at the end it is dead, and it dies with this process whatever kills that.

        Args:
            interactive: whether the terminal is its first serial port, else a pipe reads that.
        """
        modules = self.built / "tools" / LIBRARIES / "qemu"
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.logs[1].open("wb") as complaints:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self.command(interactive=interactive)],
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=None if interactive else subprocess.PIPE,
                stderr=complaints,
                env=os.environ | {"QEMU_MODULE_DIR": str(modules)},
                pass_fds=[self.checkout],
            )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def command(self, *, interactive: bool) -> list[str]:
        """Return QEMU's command line."""
        share = self.built / "tools/usr/share"
        return Root(self.built / "tools").command(
            "bin/qemu-system-x86_64", "-L", share / "qemu", "-L", share / "seabios",
            "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
            "-machine", "q35,vmport=off,hpet=off", "-accel", "tcg,thread=multi",
            "-cpu", _PROCESSOR, "-smp", "2", "-m", str(2 * _MEMORY_MIB),
            "-kernel", self.built / "kernel", "-initrd", self.built / "initramfs",
            "-append", f"{_KERNEL_OPTIONS} lab.guest={self.name}",
            "-serial", "mon:stdio" if interactive else "stdio",
            "-serial", f"file:{_escaped(str(self.logs[0]))}",
            "-device", "intel-iommu", "-device", "virtio-rng-pci",
            *_disk("root", str(self.built / "root")),
            *_disk("checkout", f"/proc/self/fd/{self.checkout}"),
            "-fsdev", f"local,id=results,path={_escaped(str(self.results))},security_model=none",
            "-device", "virtio-9p-pci,fsdev=results,mount_tag=results",
            *_rail(0), *_rail(1),
        )  # fmt: skip


def _disk(name: str, file: str) -> list[str]:
    return [
        "-drive", f"if=none,id={name},file={_escaped(file)},format=raw,readonly=on",
        "-device", f"virtio-blk-pci,drive={name},serial={name}",
    ]  # fmt: skip


def _rail(number: int) -> list[str]:
    """Return a NUMA node with one processor, and a PF there whose hub has no other port."""
    return [
        "-object", f"memory-backend-ram,id=memory{number},size={_MEMORY_MIB}M",
        "-numa", f"node,nodeid={number},cpus={number},memdev=memory{number}",
        "-device",
        f"pxb-pcie,bus=pcie.0,id=node{number},bus_nr={32 * (number + 1)},numa_node={number}",
        "-device", f"pcie-root-port,id=port{number},bus=node{number},chassis={number + 1}",
        "-netdev", f"hubport,id=rail{number},hubid={number}",
        "-device",
        f"igb,bus=port{number},netdev=rail{number},mac=52:54:00:00:0{number + 1}:00,romfile=",
    ]  # fmt: skip


def _escaped(value: str) -> str:
    """Return a value of one of QEMU's lists, in which a comma separates."""
    return value.replace(",", ",,")
