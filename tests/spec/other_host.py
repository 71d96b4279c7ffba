"""Hosts with another C library than this machine's, or none: roots that programs are started in.

A program is started in mount and root of its own, which end with it: nothing is left mounted.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from install.bundle import elf

ROOT = Path(__file__).parents[2]
OLDER = ROOT / ".cache/roots/bullseye"
"""Debian 11, whose glibc is 2.31, as Ubuntu 20.04's is (`make roots`)."""
BUSYBOX = Path("/usr/bin/busybox")
APPLETS = ("cat", "dirname", "env", "readlink", "sh")

_MOUNTS = {
    "the bundle": """\
mount -t tmpfs tmpfs "$root/{top}"
mkdir -p "$root{work}"
mount --bind {work} "$root{work}"
""",
    "the kernel": """\
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount --rbind /run/netns "$root/run/netns"
""",
}


def busybox_root(folder: Path) -> Path:
    """Make a root with a static busybox and nothing else, no C library among it."""
    if not BUSYBOX.exists() or _needs_a_loader(BUSYBOX):
        _missing(f"no static {BUSYBOX}: apt-get install busybox-static")
    root = folder / "busybox"
    (root / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for name in APPLETS:
        (root / "bin" / name).symlink_to("busybox")
    return root


def older_root() -> Path:
    """Return the root of an older distribution."""
    if not OLDER.exists():
        _missing(f"no {OLDER}: make roots")
    return OLDER


def inside(root: Path, work: Path, *mounts: str) -> tuple[str, ...]:
    """Return what starts a program in a root; its path must be below `work`, here as there.

    Args:
        root: the other host's.
        work: a folder of the test, seen there by the same path.
        mounts: what else is there: "the kernel" is /proc, /sys, /dev and the namespaces' names.
    """
    top = work.parts[1]
    for name in (top, "proc", "sys", "dev", "run/netns"):
        (root / name).mkdir(parents=True, exist_ok=True)
    script = "".join(_MOUNTS[name] for name in ("the bundle", *mounts)).format(top=top, work=work)
    script = f'set -e\nroot=$0\n{script}exec chroot "$root" "$@"\n'
    return ("unshare", "--mount", "--propagation", "slave", "sh", "-c", script, str(root))


def _needs_a_loader(program: Path) -> bool:
    try:
        return bool(elf.interpreter(program))
    except elf.ElfError:
        return False


def _missing(what: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
