"""The way from the agent's container onto the node.

The image only carries and installs the bundle.  What runs is the node's own copy, in the node's
mount namespace: the same files, paths and version as the plugins' processes have.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cni.kernel.netns import enter_mounts

PROC = Path("/proc")


class NotOnTheNodeError(Exception):
    """The container has not what it takes to work on its node."""


def execute_there(bundle: str, arguments: Sequence[str]) -> NoReturn:
    """Become a program of the node's own bundle (`nsenter --target 1 --mount BUNDLE …`).

    To be called before there is any other thread.

    Args:
        bundle: the executable's path on the node.
        arguments: what follows it.

    Raises:
        NotOnTheNodeError: with what the container lacks.
    """
    _enter()
    try:
        os.execv(bundle, [bundle, *arguments])  # noqa: S606 - no shell, and the operator named it
    except OSError as error:
        raise NotOnTheNodeError(
            f"{bundle} cannot be executed on the node: {error.strerror}; install the bundle first"
        ) from error


def _enter() -> None:
    """Enter the mount namespace of the node's first process (NotOnTheNodeError)."""
    try:
        network = _namespace("1", "net")
    except OSError as error:
        raise NotOnTheNodeError(
            f"the node's first process cannot be looked at: {error.strerror}; "
            "set hostPID: true and privileged: true"
        ) from error
    if _namespace("self", "net") != network:
        raise NotOnTheNodeError(
            "this container has a network namespace of its own, expected the node's: "
            "set hostNetwork: true"
        )
    before = _namespace("self", "mnt")
    try:
        enter_mounts(str(PROC / "1/ns/mnt"))
    except OSError as error:
        raise NotOnTheNodeError(
            f"the node's mount namespace cannot be entered: {error.strerror}; "
            "set hostPID: true and privileged: true"
        ) from error
    if _namespace("self", "mnt") == before:
        raise NotOnTheNodeError(
            "process 1 is this container's own, expected the node's: set hostPID: true"
        )


def _namespace(process: str, kind: str) -> tuple[int, int]:
    status = (PROC / process / "ns" / kind).stat()
    return status.st_dev, status.st_ino
