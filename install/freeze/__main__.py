"""Freeze the programs into dist/: `python -m install.freeze`, from the root of the repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cni import programs
from install.bundle import EXECUTABLE, manifest
from install.freeze import entry, room

SPEC = Path(__file__).with_name("railcni.spec")
DIST = Path("dist")
BUNDLE = DIST / "railcni"
FIXED = {"PYTHONHASHSEED": "0", "SOURCE_DATE_EPOCH": "0", "PYI_LOG_LEVEL": "ERROR"}
"""Makes PyInstaller write the same bytes for the same sources, and say only what is wrong."""


def main() -> None:
    """Build dist/railcni/, then name its executable in dist/bin/ once per program."""
    subprocess.run(
        [sys.executable, "-m", "PyInstaller", "--noconfirm", SPEC],
        env=os.environ | FIXED,
        check=True,
    )
    room.make(BUNDLE / EXECUTABLE)
    manifest.write(BUNDLE)
    names = DIST / "bin"
    names.mkdir(exist_ok=True)
    for name in programs.PLUGINS | programs.COMMANDS:
        link = names / name
        link.unlink(missing_ok=True)
        if name == entry.NAME:
            entry.write(link, BUNDLE)
        else:
            link.symlink_to("../railcni/railcni")


if __name__ == "__main__":
    main()
