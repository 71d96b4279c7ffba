"""The image's file system: the bundle, its programs' names, and what a C library looks for."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from install.bundle import EXECUTABLE
from install.bundle.home import settle

HOME = PurePosixPath("/opt/railcni")
"""Where the bundle is in the image."""
NONROOT = 65532
"""The user of containers that need no rights, such as a job's init container."""

_FILES = {
    "etc/passwd": f"root:x:0:0:root:/:\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/:\n",
    "etc/group": f"root:x:0:\nnonroot:x:{NONROOT}:\n",
    # Without it the C library asks DNS before /etc/hosts.
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_READABLE = 0o644
_EXECUTABLE = 0o755
_ANYBODYS = 0o1777


def lay_out(root: Path, bundle: Path, programs: Iterable[str]) -> None:
    """Write the image's files below a folder.

    Their modes depend on no umask, and their owners and times are the image builder's business.

    Args:
        root: a folder that is not there yet.
        bundle: the frozen bundle, `dist/railcni`.
        programs: the names under which its executable is on PATH.

    Raises:
        ElfError, ManifestError: it is no bundle of ours.
    """
    installed = root / HOME.relative_to("/")
    shutil.copytree(bundle, installed)
    settle(installed, HOME)
    (names := root / "usr/bin").mkdir(parents=True)
    for program in programs:
        (names / program).symlink_to(HOME / EXECUTABLE)
    for name, content in _FILES.items():
        (file := root / name).parent.mkdir(exist_ok=True)
        file.write_text(content)
    (root / "tmp").mkdir()
    _set_modes(root)
    (root / "tmp").chmod(_ANYBODYS)


def _set_modes(root: Path) -> None:
    root.chmod(_EXECUTABLE)
    for path in root.rglob("*"):
        if not path.is_symlink():
            runs = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(_EXECUTABLE if runs else _READABLE)
