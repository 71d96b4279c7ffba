"""A node's /sys with SR-IOV adapters in it: what the kernel would say of them, in files.

There are no such adapters where tests run. Everything else of /sys is the node's own.
An agent frees nothing unless it has the namespaces of process 1: here it is that process.
"""

from __future__ import annotations

from pathlib import Path

VFS = 4
RDMA_STATE = "class/infiniband/{}/ports/1/state"
_MOUNTING = """\
set -e
mount --bind /sys/class/net "$0/class/net"
mount --bind /sys/devices "$0/devices"
mount --rbind "$0" /sys
mount --bind "/proc/$$" /proc/1
exec "$@"
"""


def pci(pf: int, vf: int | None = None) -> str:
    """Return the PCI address of a PF, or of one of its VFs."""
    return f"0000:{0x3B + pf:02x}:00.{0 if vf is None else vf + 1}"


def describe(root: Path, pfs: list[str]) -> None:
    """Write a /sys with some PFs; their VFs are called like `roce0v0`.

    Args:
        root: of the files.
        pfs: the names of their interfaces.
    """
    for folder in ("class/net", "devices"):
        (root / folder).mkdir(parents=True)
    for number, name in enumerate(pfs):
        pf, rdma = root / "bus/pci/devices" / pci(number), f"mlx5_{number}"
        (pf / "net" / name).mkdir(parents=True)
        (pf / "infiniband" / rdma).mkdir(parents=True)
        (pf / "sriov_totalvfs").write_text(f"{VFS}\n")
        (pf / "driver").symlink_to("../../drivers/mlx5_core")
        state = root / RDMA_STATE.format(rdma)
        state.parent.mkdir(parents=True)
        state.write_text("4: ACTIVE\n")
        for index in range(VFS):
            address = pci(number, index)
            vf = pf.with_name(address)
            (vf / "net" / f"{name}v{index}").mkdir(parents=True)
            (vf / "physfn").symlink_to(f"../{pf.name}")
            (vf / "driver").symlink_to("../../drivers/mlx5_core")
            (pf / f"virtfn{index}").symlink_to(f"../{address}")


def with_it(root: Path, *command: str) -> list[str]:
    """Return what executes a command that sees this /sys; `ip netns exec` has mounts of its own."""
    return ["sh", "-c", _MOUNTING, str(root), *command]
