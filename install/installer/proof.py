"""Whether a version runs on the node: its programs are executed there, before anybody else does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import PurePosixPath

from install.installer.errors import InstallError
from install.installer.layout import EXECUTABLE
from install.installer.root import Root

_PATIENCE = 60.0
"""Seconds; it takes 10 ms, on a node that starts all its pods more."""


def prove(root: Root, folder: PurePosixPath) -> None:
    """Run a version's programs by their path on the node, with nothing but the node's files.

    Args:
        root: the node's; another one than this process's is entered (chroot).
        folder: the version's.

    Raises:
        InstallError: it does not run, with what it said.
    """
    executable = str(folder / EXECUTABLE)
    said = _run(root, [executable, "rail-sriov"], {"CNI_COMMAND": "VERSION"})
    if "supportedVersions" not in _object(said):
        raise InstallError(f"{executable} answers VERSION with {said!r}")
    said = _run(root, [executable, "railctl", "version", "--output", "json"], {})
    if "railcni" not in _object(said):
        raise InstallError(f"{executable} says of its version: {said!r}")


def _run(root: Root, command: list[str], environ: Mapping[str, str]) -> str:
    def enter() -> None:
        os.chroot(root.folder)
        os.chdir("/")

    # The child calls the kernel twice between fork and exec, and imports nothing there.
    try:
        done = subprocess.run(  # noqa: S603 - a path of our own making
            command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=_PATIENCE, check=False, preexec_fn=None if root.is_here else enter,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InstallError(
            f"{command[0]} cannot be run on the node: {reason}; to enter {root.folder} takes "
            "CAP_SYS_CHROOT, and the folder must not be mounted noexec"
        ) from None
    if done.returncode:
        raise InstallError(
            f"{' '.join(command)} ends with {done.returncode} on this node: "
            f"{done.stderr.strip() or done.stdout.strip() or 'it says nothing'}"
        )
    return done.stdout


def _object(text: str) -> Mapping[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
